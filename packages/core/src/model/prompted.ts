import * as tf from '@tensorflow/tfjs-core'
import { CompressionError, infoOf, type Dense, type ParameterStore } from '@tersor/tensor'
import type { Env, Model, Stage } from './model.js'

/** The parameter that stands before every text: (vectors, hidden), in the place of what the embedding makes of tokens. */
export const PROMPT = 'prompt.weight'

const BEGIN = 'prompt'
const END = 'prompt.end'

/** Whether these are the first tokens of a text: those that continue one find the prompt in the caches. */
const begins = ({ past = 0, positions }: Env): boolean => past === 0 && positions === undefined

/** (batch, tokens, hidden) → (batch, vectors + tokens, hidden). */
const beginStage = (): Stage => ({
  name: BEGIN,
  parameters: [PROMPT],
  sites: [],
  run: (x, env) =>
    tf.tidy(() => {
      if (!begins(env)) return tf.clone(x)
      const vectors = tf.expandDims(env.weights(PROMPT), 0)
      return tf.concat([tf.add(vectors, tf.zeros([x.shape[0], 1, 1])), x], 1)
    }),
})

/** And back, before the head. */
const endStage = (vectors: number): Stage => ({
  name: END,
  parameters: [],
  sites: [],
  run: (x, env) => (begins(env) ? tf.slice(x, [0, vectors, 0], [-1, -1, -1]) : tf.clone(x)),
})

/** The tokens of a text stand behind the prompt. */
const shifted = (stage: Stage, vectors: number): Stage => ({
  ...stage,
  run: (ids, env) => stage.run(ids, begins(env) ? { ...env, past: vectors } : env),
})

/** Facts of language models that core does not know otherwise. */
interface LanguageFacts {
  readonly family?: string
  readonly contextLength?: number
}

/** The width of a network's embedding; throws UNSUPPORTED where a text does not go through one to logits. */
const widthOf = ({ stages, params, ...model }: Model): number => {
  const { family } = model as LanguageFacts
  const table = stages[0].sites.find(({ kind }) => kind === 'embedding')
  const hasHead = stages.at(-1)!.sites.some(({ head }) => head)
  if (table && hasHead && (family === undefined || family === 'language')) return params.info(table.weight).shape[table.inAxis]
  throw new CompressionError(
    'UNSUPPORTED',
    'A prompt of vectors stands between the embedding of a language model and its blocks, and this network has no such place.',
    'Take a language model of @tersor/models.',
  )
}

const checkPrompt = (model: Model, shape: readonly number[]): void => {
  const width = widthOf(model)
  const { contextLength = Infinity } = model as LanguageFacts
  if (shape.length !== 2 || shape[1] !== width)
    throw new CompressionError(
      'SHAPE',
      `The prompt is [${shape.join(', ')}], and the embedding of the network is ${width} wide.`,
      'Take a prompt that was learned for a network with the same embedding.',
      { got: shape, width },
    )
  if (shape[0] > contextLength - 2)
    throw new CompressionError(
      'BAD_OPTION',
      `A prompt of ${shape[0]} vectors leaves no room for a text in a context of ${contextLength}.`,
      'Take fewer vectors.',
      { vectors: shape[0], contextLength },
    )
}

/** A store with one more parameter. */
const beside = (params: ParameterStore, added: Dense): ParameterStore =>
  Object.freeze<ParameterStore>({
    ...params,
    names: () => [...params.names(), PROMPT],
    info: name => (name === PROMPT ? infoOf(added) : params.info(name)),
    read: async (name, options) => (name === PROMPT ? added : params.read(name, options)),
    ...(params.outline && { outline: (name: string) => (name === PROMPT ? undefined : params.outline!(name)) }),
  })

/** The stream between blocks, which the prompt writes to as well. */
const withWriter = ({ residual, couplings }: Model): Pick<Model, 'residual' | 'couplings'> => ({
  ...(residual && { residual: { ...residual, writers: [...residual.writers, { parameter: PROMPT, axis: 1, count: residual.size }] } }),
  ...(couplings && {
    couplings: couplings.map(coupling =>
      coupling.kind === 'stream' && coupling.name === 'stream'
        ? { ...coupling, members: [...coupling.members, { parameter: PROMPT, axis: 1, role: 'writes' as const }] }
        : coupling,
    ),
  }),
})

/**
 * A language model whose texts begin with the prompt that its store holds, which takes positions of its context; without one it stays as it
 * is. Outputs are those of the text alone. Throws UNSUPPORTED for other networks, SHAPE for a prompt of another width and BAD_OPTION for one
 * that fills the context.
 */
export const prompted = <M extends Model>(model: M): M => {
  if (!model.params.names().includes(PROMPT) || model.stages.some(({ name }) => name === BEGIN)) return model
  const { shape } = model.params.info(PROMPT)
  checkPrompt(model, shape)
  const [vectors] = shape
  const { contextLength } = model as LanguageFacts
  const between = model.stages.slice(1, -1)
  return {
    ...model,
    stages: [shifted(model.stages[0], vectors), beginStage(), ...between, endStage(vectors), model.stages.at(-1)!],
    ...withWriter(model),
    ...(contextLength === undefined ? {} : { contextLength: contextLength - vectors }),
    ...(model.with && { with: (params: ParameterStore) => prompted(model.with!(params)) }),
  }
}

/** A language model with a prompt, such as one that was learned on another compression of the same network. Throws as `prompted` does, and COMPOSITION where it has one. */
export const withPrompt = <M extends Model>(model: M, prompt: Dense): M => {
  const { params } = model
  if (params.names().includes(PROMPT))
    throw new CompressionError('COMPOSITION', 'The network has a prompt already.', 'Learn one prompt, as the last step.')
  checkPrompt(model, prompt.shape)
  return prompted({ ...model, params: beside(params, prompt) })
}
