import type { CodebookName } from '@tersor/core'
import { CODEBOOKS, codebookOf } from '@tersor/core/codebook'
import {
  CompressionError,
  fromFloat32,
  sizeOf,
  toFloat32,
  unpackBits,
  type Dense,
  type Parameter,
  type ParameterStore,
} from '@tersor/tensor'
import { badFile, oneLine } from '../../files/bad-file.js'
import { isCounts, isRecord, parseJson, parseText, type Json } from '../../files/json-text.js'
import { treeOf } from '../../files/affine-matrix.js'
import { basesOf, denseOf, expectDType, expectShape, has, matrixShape, type QuantizedLayer } from './reader.js'

const INT8_LEVELS = 127
const BYTE = 8
const STATE = /^(.+)\.weight\.quant_state\.bitsandbytes__(\w+)$/
/** A state is a line of JSON. */
const MAX_STATE_BYTES = 1 << 16
/** Levels of a file and of our table may differ in the last bits of a float. */
const TOLERANCE = 1e-6

const unsupported = (what: string): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    oneLine(what),
    'Known of bitsandbytes are int8 by rows, nf4 and fp4: take the original weights, or save the model dequantized.',
  )

/** A matrix of signed bytes whose rows reach 127 where a float reaches SCB. */
const int8Layer = async (store: ParameterStore, base: string): Promise<QuantizedLayer> => {
  const [rows, columns] = matrixShape(store, `${base}.weight`)
  expectDType(store, `${base}.weight`, ['i8'])
  if (sizeOf(store.info(`${base}.SCB`).shape) !== rows) expectShape(store, `${base}.SCB`, [rows])
  const ordered = has(store, `${base}.weight_format`)
  if (ordered) {
    const [format] = toFloat32(await denseOf(store, `${base}.weight_format`))
    if (format !== 0) throw unsupported(`"${base}.weight" of a bitsandbytes folder has the order of bytes ${format}, not that of rows.`)
  }
  return {
    ...{ shape: [rows, columns], parts: ['weight', 'SCB', ...(ordered ? ['weight_format'] : [])] },
    read: async tensor => {
      const scales = toFloat32(await tensor('SCB')).map(most => most / INT8_LEVELS)
      const { bytes } = await tensor('weight')
      const codes = Uint8Array.from(bytes, code => code ^ 0x80) // −128 … 127 → 0 … 255
      return treeOf({ rows, columns, bits: BYTE, group: columns, groups: 1, codes, scale: fromFloat32(scales, 'f32', [rows, 1]) })
    },
  }
}

interface State {
  readonly table: CodebookName
  readonly shape: readonly [number, number]
  readonly block: number
  readonly nested?: { readonly block: number; readonly offset: number }
}

const isBlock = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 1

const nestedOf = (state: Json, name: string): State['nested'] => {
  const { nested_blocksize: block, nested_offset: offset } = state
  if (block === undefined) return undefined
  if (isBlock(block) && typeof offset === 'number' && Number.isFinite(offset)) return { block, offset }
  throw badFile(`"${name}" nests its scales in blocks of ${JSON.stringify(block)} around ${JSON.stringify(offset)}.`)
}

const stateOf = async (store: ParameterStore, name: string): Promise<State> => {
  if (store.info(name).byteLength > MAX_STATE_BYTES)
    throw badFile(`"${name}" has ${store.info(name).byteLength} bytes, too many for a state.`)
  const state = parseJson(parseText((await denseOf(store, name)).bytes, `"${name}"`), `"${name}"`, 4)
  if (!isRecord(state)) throw badFile(`"${name}" is not an object.`)
  const { quant_type: type, blocksize: block, shape } = state
  if (type !== 'nf4' && type !== 'fp4') throw unsupported(`"${name}" of a bitsandbytes folder says the type ${JSON.stringify(type)}.`)
  if (!isBlock(block)) throw badFile(`"${name}" has blocks of ${JSON.stringify(block)}, expected a whole number above 0.`)
  if (!isCounts(shape) || shape.length !== 2 || sizeOf(shape) === 0) throw badFile(`"${name}" has no shape of two axes.`)
  const nested = nestedOf(state, name)
  return { table: type, shape: [shape[0], shape[1]], block, ...(nested ? { nested } : {}) }
}

/** Holds the levels that a file brings against a table of ours; throws UNSUPPORTED for others. */
const checkLevels = async (store: ParameterStore, name: string, table: CodebookName): Promise<void> => {
  const levels = CODEBOOKS[table]
  expectShape(store, name, [levels.length])
  const got = toFloat32(await denseOf(store, name))
  const differs = got.findIndex((value, code) => !(Math.abs(value - levels[code]) <= TOLERANCE))
  if (differs >= 0)
    throw unsupported(
      `"${name}" of a bitsandbytes folder gives code ${differs} the level ${got[differs]}, where ${table} has ${levels[differs]}.`,
    )
}

/** Codes of 4 bits, the first of each two in the high half of a byte, put with the first one low. */
const swapped = (bytes: Uint8Array): Uint8Array => bytes.map(byte => ((byte << 4) | (byte >> 4)) & 0xff)

const fourBitLayer = async (store: ParameterStore, base: string, stateName: string): Promise<QuantizedLayer> => {
  const { table, shape, block, nested } = await stateOf(store, stateName)
  const [weight, count] = [`${base}.weight`, sizeOf(shape)]
  const runs = Math.ceil(count / block)
  expectDType(store, weight, ['u8'])
  if (store.info(weight).byteLength !== Math.ceil(count / 2))
    throw badFile(
      `"${weight}" has ${store.info(weight).byteLength} bytes, expected ${Math.ceil(count / 2)} for ${shape.join(' × ')} codes.`,
    )
  expectShape(store, `${weight}.absmax`, [runs])
  await checkLevels(store, `${weight}.quant_map`, table)
  if (nested) {
    expectDType(store, `${weight}.absmax`, ['u8'])
    expectShape(store, `${weight}.nested_absmax`, [Math.ceil(runs / nested.block)])
    await checkLevels(store, `${weight}.nested_quant_map`, 'dynamic8')
  } else expectDType(store, `${weight}.absmax`, ['f32', 'f16', 'bf16'])
  const scaleOf = async (tensor: (suffix: string) => Promise<Dense>): Promise<Parameter> => {
    const absmax = await tensor('weight.absmax')
    if (!nested) return fromFloat32(toFloat32(absmax), 'f32', [runs])
    const scale = fromFloat32(toFloat32(await tensor('weight.nested_absmax')), 'f32', [Math.ceil(runs / nested.block)])
    const offset = fromFloat32([nested.offset], 'f32', [1])
    return codebookOf({ shape: [runs], table: 'dynamic8', block: nested.block, codes: absmax.bytes, scale, offset })
  }
  const nests = nested ? ['weight.nested_absmax', 'weight.nested_quant_map'] : []
  return {
    ...{ shape, codec: 'codebook' },
    parts: ['weight', 'weight.absmax', 'weight.quant_map', ...nests, stateName.slice(base.length + 1)],
    read: async tensor => {
      const codes = unpackBits(swapped((await tensor('weight')).bytes), 4, count)
      return codebookOf({ shape, table, block, codes, scale: await scaleOf(tensor) })
    },
  }
}

/** The quantized layers of a bitsandbytes folder: int8 with SCB, nf4 and fp4 with plain or nested scales. Throws BAD_FILE and UNSUPPORTED. */
export const bitsandbytesLayers = async (store: ParameterStore): Promise<ReadonlyMap<string, QuantizedLayer>> => {
  const layers = new Map<string, QuantizedLayer>()
  for (const base of basesOf(store, 'SCB')) layers.set(base, await int8Layer(store, base))
  for (const name of store.names()) {
    const base = STATE.exec(name)?.[1]
    if (base !== undefined) layers.set(base, await fourBitLayer(store, base, name))
  }
  return layers
}
