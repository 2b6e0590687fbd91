import { runRows, type RowBuffer, type RowJob, type RunRowsOptions } from '@tersor/kernels/pool'
import { DTYPES, FLOAT_TABLES, isDense, toFloat32, unpackBits, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { affine } from '../codecs/affine.js'
import { codebook, CODEBOOKS, type CodebookName } from '../codecs/codebook.js'
import { matrixShape } from '../codecs/groups.js'
import { masked } from '../codecs/masked.js'
import { scaled } from '../codecs/scaled.js'
import { decode } from '../model/decode.js'

/** How kernels get at the values of a parameter row by row, unpacked only while they are needed. */
interface RowSource {
  readonly buffers: Readonly<Record<string, RowBuffer>>
  readonly calls: RowJob['calls']
  /** The buffer that then holds the values, float32. */
  readonly at: string
}

/** Values that go through at once: few enough that they stay in a core's own caches. */
const AT_ONCE = 2 ** 14

const hostValues = async (parameter: Parameter): Promise<Float32Array> => {
  if (parameter.kind === 'dense') return toFloat32(parameter)
  const tensor = decode(parameter)
  return tensor.data<'float32'>().finally(() => tensor.dispose())
}

const viewOf = <T>(type: new (buffer: ArrayBufferLike, offset: number, length: number) => T, width: number, { bytes }: Dense): T => {
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice()
  return new type(aligned.buffer, aligned.byteOffset, aligned.byteLength / width)
}

const denseSource = (leaf: Dense, name: string, columns: number): RowSource => {
  if (leaf.dtype !== 'bf16') {
    const array = leaf.dtype === 'f32' ? viewOf(Float32Array, 4, leaf) : toFloat32(leaf)
    return { buffers: { [name]: { role: 'in', array, each: columns } }, calls: [], at: name }
  }
  const wide = `${name}.wide`
  return {
    buffers: {
      [name]: { role: 'in', array: viewOf(Uint16Array, 2, leaf), each: columns },
      [wide]: { role: 'room', bytes: 4, each: columns },
    },
    calls: [['widenBf16', { at: name }, { lengthOf: name }, { at: wide }]],
    at: wide,
  }
}

/** Unsigned codes, one in a byte; undefined for other dtypes. */
const codeSource = (leaf: Parameter | undefined, name: string, columns: number): RowSource | undefined => {
  if (!isDense(leaf)) return undefined
  const { kind, bits } = DTYPES[leaf.dtype]
  if (bits > 8 || kind === 'signed' || kind === 'opaque') return undefined
  const whole = (columns * bits) % 8 === 0
  if (bits === 8 || !whole) {
    const array = bits === 8 ? leaf.bytes : unpackBits(leaf.bytes, bits, (leaf.bytes.length * 8) / bits)
    return { buffers: { [name]: { role: 'in', array, each: columns } }, calls: [], at: name }
  }
  const codes = `${name}.codes`
  return {
    buffers: {
      [name]: { role: 'in', array: leaf.bytes, each: (columns * bits) / 8 },
      [codes]: { role: 'room', bytes: 1, each: columns },
    },
    calls: [['unpackCodes', { at: name }, bits, { lengthOf: codes }, { at: codes }]],
    at: codes,
  }
}

/** Numbers of runs, cut with the rows or the same for all. */
const perRun = (array: Float32Array, runs: number): RowBuffer =>
  array.length === runs ? { role: 'whole', array } : { role: 'in', array, each: runs }

interface Runs {
  readonly columns: number
  readonly run: number
  readonly scales: Float32Array
}

/** A kernel that takes codes and scales of runs, and one more array. */
const runSource = (
  kernel: 'linesToValues' | 'tableToValues',
  codes: RowSource,
  name: string,
  { columns, run, scales }: Runs,
  other: RowBuffer,
): RowSource => {
  const [scale, more, values] = [`${name}.scale`, `${name}.more`, `${name}.values`]
  const runs = Math.ceil(columns / run)
  const joint = scales.length === runs ? 1 : 0
  const start = [{ at: codes.at }, { lengthOf: values }, columns, run, { at: scale }] as const
  const end = [{ at: more }, { at: values }] as const
  return {
    buffers: { ...codes.buffers, [scale]: perRun(scales, runs), [more]: other, [values]: { role: 'room', bytes: 4, each: columns } },
    calls: [
      ...codes.calls,
      kernel === 'linesToValues' ? [kernel, ...start, { at: more }, joint, { at: values }] : [kernel, ...start, joint, ...end],
    ],
    at: values,
  }
}

const affineSource = async ({ parts, attrs }: Encoded, name: string, columns: number): Promise<RowSource | undefined> => {
  const codes = codeSource(parts.data, `${name}.data`, columns)
  if (!codes) return undefined
  const [scales, run] = [await hostValues(parts.scale), attrs.group as number]
  const zeros = parts.zero ? await hostValues(parts.zero) : new Float32Array(scales.length).fill(2 ** ((attrs.bits as number) - 1))
  return runSource('linesToValues', codes, name, { columns, run, scales }, perRun(Float32Array.from(zeros), Math.ceil(columns / run)))
}

const codebookSource = async ({ parts, attrs }: Encoded, name: string, columns: number): Promise<RowSource | undefined> => {
  const codes = codeSource(parts.data, `${name}.data`, columns)
  const run = attrs.block as number
  const flat = parts.scale.shape.length === 1
  if (!codes || parts.offset || !Object.hasOwn(CODEBOOKS, attrs.table as string) || (flat && columns % run !== 0)) return undefined
  const table = Float32Array.from(CODEBOOKS[attrs.table as CodebookName])
  return runSource('tableToValues', codes, name, { columns, run, scales: await hostValues(parts.scale) }, { role: 'whole', array: table })
}

const scaledSource = async ({ parts, attrs }: Encoded, name: string, columns: number): Promise<RowSource | undefined> => {
  const { values, scale } = parts
  const array = isDense(values) ? FLOAT_TABLES[values.dtype as keyof typeof FLOAT_TABLES] : undefined
  const codes = array?.length === 2 ** 8 && codeSource(values, `${name}.data`, columns)
  if (!codes || attrs.block !== undefined) return undefined
  return runSource('tableToValues', codes, name, { columns, run: columns, scales: await hostValues(scale) }, { role: 'whole', array })
}

const maskedSource = async ({ parts }: Encoded, name: string, columns: number): Promise<RowSource | undefined> => {
  const flags = codeSource(parts.mask, `${name}.mask`, columns)
  const values = flags && (await sourceOf(parts.values, `${name}.kept`, columns))
  if (!values) return undefined
  return {
    buffers: { ...flags.buffers, ...values.buffers },
    calls: [...flags.calls, ...values.calls, ['dropUnkept', { at: flags.at }, { lengthOf: values.at }, { at: values.at }]],
    at: values.at,
  }
}

/** Codecs that kernels decode, with the float32 operations of the codecs themselves. */
const SOURCES: Readonly<Record<string, typeof affineSource>> = {
  [affine.name]: affineSource,
  [codebook.name]: codebookSource,
  [scaled.name]: scaledSource,
  [masked.name]: maskedSource,
}

const sourceOf = async (parameter: Parameter, name: string, columns: number): Promise<RowSource | undefined> => {
  if (parameter.kind === 'dense') return denseSource(parameter, name, columns)
  return Object.hasOwn(SOURCES, parameter.codec.name) ? SOURCES[parameter.codec.name](parameter, name, columns) : undefined
}

/** Any parameter; those that no kernel decodes are decoded by tfjs, whole. */
const rowsOf = async (parameter: Parameter, name: string, columns: number): Promise<RowSource> =>
  (await sourceOf(parameter, name, columns)) ?? {
    ...{ buffers: { [name]: { role: 'in', array: await hostValues(parameter), each: columns } }, calls: [], at: name },
  }

/** ‖W − Ŵ‖² / ‖W‖², in doubles, row by row: neither is unpacked as a whole. The two have the same shape. */
export const relativeError = async (original: Parameter, result: Parameter, options?: RunRowsOptions): Promise<number> => {
  const [rows, columns] = matrixShape(original.shape)
  const [before, after] = [await rowsOf(original, 'before', columns), await rowsOf(result, 'after', columns)]
  const sums = new Float64Array(2 * rows)
  const job: RowJob = {
    rows,
    atOnce: Math.max(1, Math.floor(AT_ONCE / Math.max(1, columns))),
    buffers: { ...before.buffers, ...after.buffers, sums: { role: 'out', array: sums, each: 2 } },
    calls: [
      ...before.calls,
      ...after.calls,
      ['squaredErrors', { at: before.at }, { at: after.at }, { lengthOf: before.at }, columns, { at: 'sums' }],
    ],
  }
  await runRows(job, options)
  let [difference, norm] = [0, 0]
  for (let row = 0; row < rows; row++) {
    difference += sums[2 * row]
    norm += sums[2 * row + 1]
  }
  return difference / Math.max(norm, 1e-30)
}
