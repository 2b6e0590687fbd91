import * as tf from '@tensorflow/tfjs-core'
import {
  byPlace,
  checkTraining,
  definePass,
  frozen,
  integer,
  leaves,
  loadModel,
  PROMPT,
  trainIn,
  TRAINING,
  trainingOf,
  withPrompt,
  type Model,
  type Rng,
} from '@tersor/core'
import { CompressionError, fromFloat32, type Dense } from '@tersor/tensor'
import { nextToken } from './next-token.js'

/** What the first stage makes of tokens that are drawn: (vectors, hidden). Throws UNSUPPORTED where it has no table of them. */
const drawn = async (model: Model, vectors: number, rng: Rng, signal: AbortSignal): Promise<Dense> => {
  const [stage] = model.stages
  const table = stage.sites.find(({ kind }) => kind === 'embedding')
  if (!table)
    throw new CompressionError(
      'UNSUPPORTED',
      'compress-then-prompt draws tokens for its first vectors, and the network has no embedding of tokens.',
      'Take a language model of @tersor/models.',
    )
  const [words] = model.params.info(table.weight).shape
  const { weights, dispose } = await loadModel({ ...model, stages: [stage] }, signal)
  const ids = tf.tensor2d(Int32Array.from({ length: vectors }, () => rng.integer(words)), [vectors, 1], 'int32') // prettier-ignore
  try {
    const rows = tf.tidy(() => stage.run(ids, { weights })) // (vectors, 1, hidden)
    try {
      return fromFloat32(await rows.data<'float32'>(), 'f32', [vectors, rows.shape[2]!])
    } finally {
      rows.dispose()
    }
  } finally {
    ids.dispose()
    dispose()
  }
}

/**
 * Compress, then Prompt: vectors before every text are learned for a compressed language model, which stays as it is.
 * P ← P + Adam(−∇ Σ log p(x_t | P, x_<t)), P: (vectors, hidden), over rows of the calibration inputs; nothing else moves. 0 vectors change
 * nothing. Throws BAD_OPTION, NO_CALIBRATION, UNSUPPORTED for other networks, COMPOSITION for a second prompt, and what `train` throws.
 * Xu et al. 2023, https://arxiv.org/abs/2305.11186
 */
export const compressThenPrompt = definePass({
  name: 'compress-then-prompt',
  summary: 'learns vectors that stand before every text, for a compressed language model that stays as it is',
  paper: {
    title: 'Compress, Then Prompt: Improving Accuracy-Efficiency Trade-off of LLM Inference with Transferable Prompt',
    authors: 'Xu et al.',
    year: 2023,
    url: 'https://arxiv.org/abs/2305.11186',
  },
  differs: 'reconstructed from the abstracts of both versions: vectors begin as those of drawn tokens, and rate and steps are ours',
  options: {
    vectors: integer({ min: 0, default: 20, doc: 'vectors of the prompt, each of which takes a position of the context' }),
    ...TRAINING,
    rate: { ...TRAINING.rate, default: 1e-2 },
    terms: { ...TRAINING.terms, doc: 'what training makes small: next-token, where absent' },
  },
  check: checkTraining,
  run: async (model, context, { vectors, ...options }) => {
    if (vectors === 0) return model
    const begun = withPrompt(model, await drawn(model, vectors, context.rng.fork('vectors'), context.signal))
    return trainIn(context, 'compress-then-prompt', begun, {
      ...trainingOf({ ...options, terms: options.terms ?? [nextToken()] }),
      parametrize: byPlace([({ name }) => name === PROMPT, leaves()], [() => true, frozen]),
    })
  },
})
