import * as tf from '@tensorflow/tfjs-core'
import { IQ4_LEVELS } from '@tersor/kernels/blocks'
import {
  CompressionError,
  encoded,
  fromIntegers,
  sizeOf,
  type Codec,
  type Dense,
  type DType,
  type Encoded,
  type Parameter,
} from '@tersor/tensor'
import { codesAre, codesBelow, firstOf, floatsAre, partsAre, shapeIs, sizeIs, wholeIs, type Finding } from './checks.js'

/** Levels of 4 bits at the quantiles of a normal distribution, with an exact 0. Dettmers et al. 2023, https://arxiv.org/abs/2305.14314 */
const NF4 = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
  0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
  0.7229568362236023, 1,
]

/** A sign bit before eight magnitudes. */
const signed = (magnitudes: readonly number[]): readonly number[] => [...magnitudes, ...magnitudes.map(value => -value)]

/** 8-bit floats with a moving border between exponent and fraction: seven decades, each with twice the levels of the one below, 0 and 1. */
const dynamic = (): readonly number[] => {
  const levels = [0, 1]
  for (let decade = 0; decade < 7; decade++) {
    const count = 2 ** decade
    const border = (i: number): number => Math.fround(0.1 + (0.9 * i) / count)
    for (let i = 0; i < count; i++) {
      const level = Math.fround(Math.fround((border(i) + border(i + 1)) / 2) * 10 ** (decade - 6))
      levels.push(level, -level)
    }
  }
  return levels.sort((a, b) => a - b)
}

/** Levels by code, under the names that trees are stored with. */
export const CODEBOOKS = Object.freeze({
  nf4: Object.freeze(NF4),
  /** As bitsandbytes has it: 3 bits of magnitude whose values do not rise with the code. */
  fp4: Object.freeze(signed([0, 0.0625, 8, 12, 4, 6, 2, 3].map(value => Math.fround(value / 12)))),
  /** 4-bit floats of the OCP microscaling formats. */
  e2m1: Object.freeze(signed([0, 0.5, 1, 1.5, 2, 3, 4, 6])),
  dynamic8: Object.freeze(dynamic()),
  /** ggml's, closer together near zero. */
  iq4nl: IQ4_LEVELS,
})

export type CodebookName = keyof typeof CODEBOOKS

/** The levels of a table by the name that a tree gives; throws BAD_DATA. */
const levelsOf = (name: unknown): readonly number[] => {
  if (typeof name === 'string' && Object.hasOwn(CODEBOOKS, name)) return CODEBOOKS[name as CodebookName]
  throw new CompressionError('BAD_DATA', `There is no codebook ${JSON.stringify(name)}.`, `Known are ${Object.keys(CODEBOOKS).join(', ')}.`)
}

/** One scale for each run: of all values, or of each of some rows of as many values. */
const scalesAre = (scale: Parameter, size: number, block: number): Finding => {
  const rows = scale.shape.length === 1 ? 1 : (scale.shape[0] ?? 0)
  const runs = Math.ceil(size / Math.max(1, rows) / block)
  return size % Math.max(1, rows) === 0 && scale.shape.length <= 2
    ? shapeIs('scale', scale, scale.shape.length === 1 ? [runs] : [rows, runs])
    : `the scale is [${scale.shape.join(', ')}], and the whole has ${size} values`
}

/**
 * Codes that name levels of a fixed table: value = scale · level[code] + offset, one scale for each run of `block` values.
 * Parts: data u4 or u8 (shape); scale, (runs) where runs go on over the flattened tensor, or (rows, runs of a row);
 * offset f32 (1), 0 where absent. Attrs: table, a name of `CODEBOOKS`; block. The last run, of a row or of all, may be shorter.
 */
export const codebook: Codec = Object.freeze<Codec>({
  name: 'codebook',
  check: (parts, { table, block }, shape) =>
    firstOf(
      () => partsAre(parts, ['data', 'scale'], ['offset']),
      () => wholeIs('block', block, 1, Infinity),
      () => (Object.hasOwn(CODEBOOKS, String(table)) ? undefined : `there is no codebook ${JSON.stringify(table)}`),
      () => codesAre('data', parts.data, [4, 8]) ?? sizeIs('data', parts.data, shape),
      () => codesBelow('data', parts.data as Dense, levelsOf(table).length),
      () => floatsAre('scale', parts.scale) ?? scalesAre(parts.scale, sizeOf(shape), block as number),
      () => floatsAre('offset', parts.offset) ?? shapeIs('offset', parts.offset, [1]),
    ),
  decode: ({ data, scale, offset }: Readonly<Record<string, tf.Tensor>>, attrs, shape) =>
    tf.tidy(() => {
      const rows = scale.shape.length === 1 ? 1 : scale.shape[0]
      const runs = scale.shape[scale.shape.length - 1]
      const columns = data.size / Math.max(1, rows)
      const block = Math.min(attrs.block as number, Math.max(1, columns)) // a run may be longer than a row
      const levels = tf.tensor1d([...levelsOf(attrs.table)])
      const values = tf.reshape(tf.gather(levels, tf.reshape(tf.cast(data, 'int32'), [-1]) as tf.Tensor1D), [rows, columns])
      const missing = runs * block - columns
      const padded = missing === 0 ? values : tf.pad(values, [[0, 0], [0, missing]]) // prettier-ignore
      const scaled = tf.reshape(tf.mul(tf.reshape(padded, [rows, runs, block]), tf.reshape(scale, [rows, runs, 1])), [rows, runs * block])
      const whole = missing === 0 ? scaled : tf.slice(scaled, [0, 0], [rows, columns])
      return tf.reshape(offset ? tf.add(whole, offset) : whole, [...shape])
    }),
})

export interface CodebookParts {
  readonly shape: readonly number[]
  readonly table: CodebookName
  /** Values that share a scale. */
  readonly block: number
  readonly codes: ArrayLike<number>
  /** (runs) or (rows, runs of a row). */
  readonly scale: Parameter
  /** (1). */
  readonly offset?: Parameter
}

/** Builds the tree; throws SHAPE where there are not as many scales as runs. */
export const codebookOf = ({ shape, table, block, codes, scale, offset }: CodebookParts): Encoded => {
  const rows = scale.shape.length === 1 ? 1 : scale.shape[0]
  const runs = rows * Math.ceil(codes.length / rows / block)
  const got = scale.shape.reduce((product, extent) => product * extent, 1)
  if (got !== runs) {
    throw new CompressionError(
      'SHAPE',
      `${codes.length} codes in blocks of ${block} need ${runs} scales, got ${got}.`,
      'Pass scales as (runs), or as (rows, runs of a row).',
      { block, expected: runs, got },
    )
  }
  const dtype: DType = CODEBOOKS[table].length === 16 ? 'u4' : 'u8'
  return encoded(codebook, shape, { data: fromIntegers(codes, dtype, shape), scale, ...(offset ? { offset } : {}) }, { table, block })
}

/** The codes of a table from its lowest level to its highest, and what lies halfway between neighbours in float32. */
export const sortedLevels = (table: CodebookName): { readonly names: readonly number[]; readonly middles: readonly number[] } => {
  const levels = CODEBOOKS[table]
  const distinct = levels.map((_, code) => code).filter(code => levels.indexOf(levels[code]) === code) // −0 goes to 0
  const names = distinct.sort((a, b) => levels[a] - levels[b])
  return { names, middles: names.slice(1).map((code, i) => Math.fround((levels[names[i]] + levels[code]) / 2)) }
}

/** Finds the nearest level of a table by bisection: gives the code, of two equally near that of the lower level. */
export const nearestCode = (table: CodebookName): ((value: number) => number) => {
  const { names, middles } = sortedLevels(table)
  return value => {
    let [low, high] = [0, middles.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (middles[middle] < value) low = middle + 1
      else high = middle
    }
    return names[low]
  }
}
