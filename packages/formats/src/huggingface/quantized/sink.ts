import { CompressionError, DTYPES, type Dense, type Encoded, type Parameter, type ParameterSink } from '@tersor/tensor'
import { huggingFaceSink, type HuggingFaceSinkOptions } from '../sink.js'
import type { Json } from '../../files/json-text.js'
import { valueOf } from '../../files/output.js'
import { isRefusal, refusedText, stepsText, type Refusal, type Refused } from '../../files/refusal.js'
import { openQuantized } from './open.js'
import type { Layout, Scheme } from './layout.js'

const WEIGHT = '.weight'

const refusal = (title: string, refused: readonly Refused[]): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    refusedText(title, refused),
    `${stepsText(refused)} A Hugging Face folder of Tersor's own holds everything.`,
    { format: title, tensors: refused.map(({ name }) => name) },
  )

const describeScheme = ({ bits, group, whole, symmetric }: Scheme): string =>
  `${bits} bits in groups of ${whole ? 'a row' : group}, ${symmetric ? 'symmetric' : 'asymmetric'}`

/** Whether one description says both: rows of one group differ only in their width. */
const agree = (a: Scheme, b: Scheme): boolean => a.bits === b.bits && (a.group === b.group || (a.whole && b.whole))

/** The layers that one description does not cover; it is that of the first with several groups a row, if there is one. */
const differing = (layers: ReadonlyMap<string, Scheme>): Refused[] => {
  const schemes = [...layers.values()]
  const first = schemes.find(({ whole }) => !whole) ?? schemes[0]
  return [...layers]
    .filter(([, scheme]) => !agree(scheme, first))
    .map(([name, scheme]) => ({
      name,
      reason: `has ${describeScheme(scheme)}, others ${describeScheme(first)}`,
      step: 'Quantize all layers alike.',
    }))
}

/** What our networks call tables of embeddings. */
const EMBEDDING = /(^|\.)(embed_tokens|wte|wpe|\w*embeddings?)\.weight$/

/** Whether a weight is a table of embeddings, which no loader of these folders looks for in codes. */
export const isEmbedding = (name: string): boolean => EMBEDDING.test(name)

/** Why a tree of this name has no place, whatever it holds. */
const refusalOf = (name: string): Refusal | undefined => {
  const step = "Leave it plain: give the step only='model.layers.*', or none at all."
  if (isEmbedding(name)) return { reason: 'is a table of embeddings, which loaders take plain only', step }
  return name.endsWith(WEIGHT) ? undefined : { reason: 'is no weight of a linear layer', step }
}

/** Whether loaders would look for codes in its place if they were not told. */
const isPlainMatrix = (name: string, { dtype, shape }: Dense): boolean =>
  name.endsWith(WEIGHT) && shape.length === 2 && DTYPES[dtype].kind === 'float' && !isEmbedding(name)

/** Fields that are one number wherever another program reads these folders. */
const NUMBERS = ['num_attention_heads', 'num_key_value_heads', 'intermediate_size', 'head_dim', 'n_head', 'n_inner']

/** Loaders of these folders make all blocks alike. */
const checkUniform = (title: string, config: HuggingFaceSinkOptions['config']): void => {
  const field = typeof config === 'function' ? undefined : NUMBERS.find(name => Array.isArray(config[name]))
  if (field === undefined) return
  throw new CompressionError(
    'UNSUPPORTED',
    `Blocks of this network differ in their "${field}", and ${title} has no place for that.`,
    "Cut all blocks alike, or save it as a Hugging Face folder of Tersor's own.",
    { format: title, field },
  )
}

/**
 * A sink for folders whose quantized linear layers follow a layout; dense tensors go through unchanged.
 * What has no place is told at the end, all of it at once, and nothing is written; throws UNSUPPORTED at once where blocks differ in heads or width.
 */
export const quantizedSink = (path: string, layout: Layout, options: HuggingFaceSinkOptions): ParameterSink => {
  checkUniform(layout.title, options.config)
  const layers = new Map<string, Scheme>()
  const refused: Refused[] = []
  const plain: string[] = []
  const quantization = (): Json => layout.config(layers, plain)
  const inner = huggingFaceSink(path, {
    ...options,
    config: () => ({ ...valueOf(options.config), quantization_config: quantization() }),
    files: () => {
      const made = Object.entries(layout.files?.(quantization()) ?? {})
      const encode = (value: Json) => new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)
      return { ...valueOf(options.files ?? {}), ...Object.fromEntries(made.map(([name, value]) => [name, encode(value)])) }
    },
  })
  const writeTree = async (name: string, tree: Encoded): Promise<void> => {
    const stored = refusalOf(name) ?? layout.store(tree)
    if (isRefusal(stored)) return void refused.push({ name, ...stored })
    const base = name.slice(0, -WEIGHT.length)
    layers.set(base, stored.scheme)
    for (const [suffix, tensor] of Object.entries(stored.tensors)) await inner.write(`${base}.${suffix}`, tensor)
  }
  const writePlain = (name: string, tensor: Dense): Promise<void> => {
    if (isPlainMatrix(name, tensor)) plain.push(name.slice(0, -WEIGHT.length))
    return inner.write(name, tensor)
  }
  return Object.freeze({
    write: (name: string, parameter: Parameter) => (parameter.kind === 'dense' ? writePlain(name, parameter) : writeTree(name, parameter)),
    finish: async () => {
      const wrong = [...refused, ...(layout.mixed ? [] : differing(layers))]
      if (wrong.length === 0) return (await openQuantized(await inner.finish(), { quantization_config: quantization() }))!.params
      await inner.abort()
      throw refusal(layout.title, wrong)
    },
    abort: () => inner.abort(),
  })
}
