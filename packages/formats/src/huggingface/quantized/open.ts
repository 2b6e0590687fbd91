import { CompressionError, type ParameterStore } from '@tersor/tensor'
import { oneLine } from '../../files/bad-file.js'
import { isRecord, type Json } from '../../files/json-text.js'
import { awqLayers, undescribedAwqLayers } from './awq-reader.js'
import { bitsandbytesLayers } from './bitsandbytes-reader.js'
import { COMPRESSED_TENSORS_FORMATS, compressedTensorsLayers } from './compressed-tensors-reader.js'
import { describedBeside, traceIn } from './description.js'
import { fp8Layers } from './fp8-reader.js'
import { GPTQ_BITS, GPTQ_FORMATS, gptqLayers, undescribedGptqLayers } from './gptq-reader.js'
import { quantizedStore, roundedInputs, type QuantizedLayer } from './reader.js'

type Layers = ReadonlyMap<string, QuantizedLayer>
type Read = (store: ParameterStore, config: Json) => Layers | Promise<Layers>

/** How the layers of another tool are read. */
interface Reader {
  readonly read: Read
  /** Without a description, where that makes a difference. */
  readonly undescribed?: Read
  /** What of its folders is read, in words, for docs/reading.md. */
  readonly reads: string
}

const FP8_READS = '8-bit floats (`F8_E4M3`, `F8_E5M2`) under one scale, one a row or one a block, in `weight_scale_inv` or `weight_scale`'

/** How the layers of other tools are read, by `quant_method`. */
export const READERS: Readonly<Record<string, Reader>> = {
  gptq: {
    ...{ read: gptqLayers, undescribed: undescribedGptqLayers },
    reads: `${GPTQ_BITS.join(', ')} bits in the checkpoint formats ${GPTQ_FORMATS.join(' and ')}, columns in any order (\`g_idx\`), settings layer by layer (\`dynamic\`)`,
  },
  awq: { read: awqLayers, undescribed: undescribedAwqLayers, reads: 'the version gemm of 4 bits' },
  'compressed-tensors': {
    read: compressedTensorsLayers,
    reads: `the formats ${COMPRESSED_TENSORS_FORMATS.join(', ')}, each layer by its own tensors; sparse-24-bitmask of plain weights`,
  },
  fp8: { read: fp8Layers, reads: FP8_READS },
  fbgemm_fp8: { read: fp8Layers, reads: FP8_READS },
  bitsandbytes: { read: bitsandbytesLayers, reads: 'int8 by rows (`SCB`); nf4 and fp4, with plain or nested scales' },
}

/** What Tersor writes itself: trees, which the reader of safetensors has made already. */
const OWN = 'tersor'
/** Older releases of compressed-tensors wrote the second. */
const KEYS = ['quantization_config', 'compression_config'] as const

const unknownMethod = (method: string): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    oneLine(`The folder is quantized by ${method}, which is not read here.`),
    `Read are ${Object.keys(READERS).join(', ')}: take the original weights, or save the model dequantized.`,
    { method, known: Object.keys(READERS) },
  )

/** The name of a method in a config; bitsandbytes once left its own out. */
const methodOf = (quantization: Json): string => {
  const { quant_method: method } = quantization
  if (typeof method === 'string') return method
  if (method === undefined && ('load_in_8bit' in quantization || 'load_in_4bit' in quantization)) return 'bitsandbytes'
  return `a method that its config does not name (${JSON.stringify(quantization)})`
}

/** A folder whose quantized layers are shown as trees. */
export interface QuantizedFolder {
  readonly params: ParameterStore
  readonly config: Json
  /** What is read otherwise than other runtimes compute it. */
  readonly notes: readonly string[]
}

const shown = (store: ParameterStore, layers: Layers, config: Json, method: string): QuantizedFolder => {
  const rounded = roundedInputs(store, layers)
  const note = `Other runtimes round the inputs of ${rounded} layers of this ${method} folder to grids of its own; here they stay floats, and a folder written anew does not say it.`
  return { params: quantizedStore(store, layers), config, notes: rounded > 0 ? [note] : [] }
}

/**
 * The store of a folder with the layers that another tool quantized as trees, and its config without that quantization; null where there is none.
 * The description is that of config.json, of a file beside it (by name), or what the tensors show. Throws UNSUPPORTED for methods that are not read, BAD_FILE.
 */
export const openQuantized = async (
  store: ParameterStore,
  config: Json,
  beside: Readonly<Record<string, Json>> = {},
): Promise<QuantizedFolder | null> => {
  const key = KEYS.find(name => config[name] !== undefined && config[name] !== null)
  const rest = Object.fromEntries(Object.entries(config).filter(([name]) => name !== key))
  const declared = key === undefined ? describedBeside(beside) : config[key]
  if (declared !== undefined) {
    if (!isRecord(declared)) throw unknownMethod(`a config that is no object (${JSON.stringify(declared)})`)
    const method = key === 'compression_config' ? 'compressed-tensors' : methodOf(declared)
    if (method === OWN) return null
    if (!Object.hasOwn(READERS, method)) throw unknownMethod(JSON.stringify(method))
    return shown(store, await READERS[method].read(store, declared), rest, method)
  }
  const trace = traceIn(store)
  if (trace === undefined) return null
  const { read, undescribed = read } = READERS[trace]
  return shown(store, await undescribed(store, {}), rest, trace)
}
