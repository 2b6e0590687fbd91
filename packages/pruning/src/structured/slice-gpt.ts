import { applyRotation, definePass, fraction, integer, planResidual, shrink, type RotationPlan } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { principalAxes } from './stream-axes.js'

const NAME = 'slice-gpt'

/**
 * SliceGPT: rotates the stream between blocks to its principal axes and leaves out the last of them; nothing is trained.
 * C = Σ over norms of E[x̂ᵀx̂] = Qᵀ Λ Q; norms' weights go into their readers, W_in ← W_in · Qᵀ, W_out ← Q · W_out; of Q's axes the share
 * with the largest λ stays.
 * W: (out, in), X: (tokens, hidden). Throws BAD_OPTION, NO_CALIBRATION, COMPOSITION for compressed weights; UNSUPPORTED for a network whose
 * stream cannot be rotated, as where norms subtract a mean.
 * Ashkboos et al. 2024, https://arxiv.org/abs/2401.15024
 */
export const sliceGpt = definePass({
  name: NAME,
  summary: 'rotates the stream between blocks to its principal axes and leaves out the last of them',
  paper: {
    title: 'SliceGPT: Compress Large Language Models by Deleting Rows and Columns',
    authors: 'Ashkboos et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2401.15024',
  },
  differs:
    'one rotation serves the whole stream, so that the result is a network of the same kind, where the paper has one for each block and a matrix in every shortcut; what norms give counts, not the stream before them, so that late blocks do not outweigh early ones',
  options: {
    keep: fraction({ default: 0.75, doc: 'share of the channels of the stream that stays' }),
    multiple: integer({ min: 1, default: 1, doc: 'the number of channels is a multiple of this, rounded down' }),
  },
  run: async (model, context, { keep, multiple }) => {
    const { residual } = model
    const stream = model.couplings?.find(({ kind }) => kind === 'stream')
    if (!residual || !stream || !model.with)
      throw new CompressionError('UNSUPPORTED', `${NAME} finds no stream in this network that can be rotated: its norms subtract a mean, or nobody said how it shrinks.`, 'Use it on a network of the Llama family, or use structured with units=[stream].', { step: NAME }) // prettier-ignore
    const changes: RotationPlan = new Map()
    await planResidual(model, changes, { pass: NAME, signal: context.signal }, await principalAxes(model, residual, NAME, context))
    const rotated = await applyRotation(model, changes, context.within(0, NAME), { pass: NAME, untie: true })
    const count = Math.max(multiple, Math.floor((keep * residual.size + 1e-9) / multiple) * multiple)
    return shrink(rotated, { keep: new Map([[stream.name, Array.from({ length: count }, (_, axis) => axis)]]) }, context)
  },
})
