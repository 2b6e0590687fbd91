import { decodeF16, encodeF16 } from '@tersor/tensor'
import { within } from '@tersor/formats/internal/files/file-system'
import { fileSystem } from '@tersor/models/internal/formats/format'
import type { Runtime } from '@tersor/models/internal/formats/runtime'

type Make = (values: ArrayLike<number>) => unknown
const big = (values: ArrayLike<number>): bigint[] => Array.from(values, value => BigInt(Math.trunc(value)))

/** Arrays that ONNX Runtime takes, by its names of element types. */
const ARRAYS: Readonly<Record<string, Make>> = {
  float32: values => Float32Array.from(values),
  float16: values => Uint16Array.from(values, encodeF16),
  float64: values => Float64Array.from(values),
  int64: values => BigInt64Array.from(big(values)),
  uint64: values => BigUint64Array.from(big(values)),
  int32: values => Int32Array.from(values),
  uint8: values => Uint8Array.from(values),
  int8: values => Int8Array.from(values),
  bool: values => Uint8Array.from(values),
}

/** The numbers of an output. */
const numbersOf = ({ type, data }: { readonly type: string; readonly data: ArrayLike<number | bigint> }): ArrayLike<number> => {
  if (type === 'float16' && data instanceof Uint16Array) return Float32Array.from(data, decodeF16)
  return type === 'float32' ? (data as Float32Array) : Float64Array.from(data as ArrayLike<number>, Number)
}

/** The graph of a folder for transformers.js, or the file itself. */
const graphAt = async (path: string): Promise<string> => {
  if (!(await fileSystem().stat(path)).isDirectory()) return path
  const [file] = (await fileSystem().readdir(within(path, 'onnx'))).filter(name => name.endsWith('.onnx'))
  return within(path, `onnx/${file}`)
}

/** As users open it: with all optimisations, though without what it logs. */
const open = async ({ InferenceSession }: any, path: string) => InferenceSession.create(await graphAt(path), { logSeverityLevel: 3 })

interface Declared {
  readonly name: string
  readonly type: string
  readonly shape: readonly (number | string)[]
}

/** What networks of text take besides their ids, for the first tokens of one text. */
const textInputs = (ids: readonly number[]): Readonly<Record<string, ArrayLike<number>>> => ({
  input_ids: ids,
  attention_mask: new Uint8Array(ids.length).fill(1),
  token_type_ids: new Uint8Array(ids.length),
  position_ids: ids.map((_, i) => i),
})

/** What a folder for transformers.js gives for one text without a past. */
const runText = async (library: any, path: string, ids: readonly number[], output: string): Promise<ArrayLike<number>> => {
  const session = await open(library, path)
  try {
    const known = textInputs(ids)
    const feeds = (session.inputMetadata as readonly Declared[]).map(({ name, type, shape }) => {
      if (Object.hasOwn(known, name)) return [name, new library.Tensor(type, ARRAYS[type](known[name]), [1, ids.length])] as const
      const past = shape.map((extent, axis) => (typeof extent === 'number' && extent > 0 ? extent : axis === 0 ? 1 : 0))
      return [name, new library.Tensor(type, ARRAYS[type]([]), past)] as const
    })
    return numbersOf((await session.run(Object.fromEntries(feeds), [output]))[output])
  } finally {
    await session.release()
  }
}

/** ONNX Runtime: single graphs, and decoders and encoders as transformers.js runs them. */
export const onnxRuntime: Runtime = {
  name: 'ONNX Runtime',
  packageFor: async () => 'onnxruntime-node',
  tokens: library => async (path, ids, vocabulary) => {
    const logits = await runText(library, path, ids, 'logits')
    return ids.map((_, i) => Array.prototype.slice.call(logits, i * vocabulary, (i + 1) * vocabulary))
  },
  encoder: library => async (path, ids, task) => runText(library, path, ids, task === 'hidden-states' ? 'last_hidden_state' : 'logits'),
  graph: library => async (path, inputs, outputs) => {
    const session = await open(library, path)
    try {
      const feeds = inputs.map(({ value: { name, dtype }, shape, data }) => [name, new library.Tensor(dtype, ARRAYS[dtype](data), shape)])
      const results = await session.run(Object.fromEntries(feeds), [...outputs])
      return outputs.map(name => numbersOf(results[name]))
    } finally {
      await session.release()
    }
  },
}
