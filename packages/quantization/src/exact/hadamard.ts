import {
  applyRotation,
  boolean,
  definePass,
  planResidual,
  planRotation,
  refuseActivationGrids,
  type Context,
  type Model,
  type Rng,
  type RotateRows,
  type RotationPlan,
} from '@tersor/core'
import { rotateColumns, type HadamardMatrix } from '@tersor/kernels'
import { CompressionError } from '@tersor/tensor'
import { randomHadamard } from './hadamard-matrix.js'

/** Multiplies by the rotation from the right. */
const by =
  (rotation: HadamardMatrix): RotateRows =>
  (rows, width, run) =>
    rotateColumns(rows, width, run, rotation)

const signsOf = (rng: Rng) => (): 1 | -1 => (rng.uniform() < 0.5 ? 1 : -1)

/** Turns the vectors of each head. */
const planHeads = ({ stages }: Model, changes: RotationPlan, { rng }: Context): void => {
  for (const stage of stages) {
    for (const [index, { size, from, to }] of (stage.rotations ?? []).entries()) {
      const rotation = randomHadamard(size, signsOf(rng.fork(`${stage.name}:${index}`)))
      planRotation(changes, [...from, ...to], by(rotation))
    }
  }
}

/** Values that were turned do not stand with the best first any more, and a file that says so would be cut badly. */
const refuseSorted = ({ sorted }: Model): void => {
  if (sorted?.multiples.sizes === undefined) return
  throw new CompressionError(
    'COMPOSITION',
    'hadamard would turn values of heads that were sorted, and none of them would be the best any more.',
    'Put hadamard before uniql, or pass heads=false.',
  )
}

/**
 * Hadamard rotation: turns the residual stream and the values of each head so that no channel stands out; rounds nothing.
 * x' = x · Q, W_in' = W_in · diag(norm) · Q, W_out' = Qᵀ · W_out, Q = diag(±1) · H / √n with signs from the seed; norms keep weights of 1.
 * W: (out, in). Throws BAD_OPTION, COMPOSITION, UNSUPPORTED. Ashkboos et al. 2024, https://arxiv.org/abs/2404.00456
 */
export const hadamard = definePass({
  name: 'hadamard',
  summary: 'turns the residual stream and the values of each head so that no channel stands out; rounds nothing',
  paper: {
    title: 'QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs',
    authors: 'Ashkboos et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2404.00456',
  },
  differs:
    'only rotations that vanish into weights are made (R1 and R2 in later work); those that run with the network, before the down projection, across heads, and on queries and keys, have no place in a stage; embeddings keep their mean',
  exact: true,
  options: {
    residual: boolean({ default: true, doc: 'whether the stream between blocks is turned' }),
    heads: boolean({ default: true, doc: 'whether the values of each head are turned' }),
  },
  check: ({ residual, heads }) =>
    residual || heads ? undefined : ['with neither residual nor heads it does nothing.', 'Leave one of them true.'],
  run: async (model, context, { residual, heads }) => {
    refuseActivationGrids('hadamard', model)
    if (heads) refuseSorted(model)
    const changes: RotationPlan = new Map()
    const { rng, signal } = context
    if (residual && model.residual)
      await planResidual(
        model,
        changes,
        { pass: 'hadamard', signal },
        by(randomHadamard(model.residual.size, signsOf(rng.fork('residual')))),
      )
    if (heads) planHeads(model, changes, context)
    if (residual && !model.residual && changes.size > 0)
      context.emit({
        type: 'warning',
        pass: 'hadamard',
        message: 'the stream between blocks of this network cannot be turned (its norms subtract a mean); only values of heads are',
      })
    if (changes.size > 0) return applyRotation(model, changes, context, { pass: 'hadamard', untie: residual })
    throw new CompressionError(
      'UNSUPPORTED',
      'hadamard finds nothing in this model that can be turned.',
      'Use a network of @tersor/models, or give the model `residual` and its stages `rotations`.',
    )
  },
})
