import { boolean, codebookOf, integer, nearestCode, type CodebookName } from '@tersor/core'
import { fromFloat32, type Encoded, type Parameter } from '@tersor/tensor'

/** The options of the 4-bit tables of bitsandbytes. */
export const blockOptions = {
  block: integer({ min: 1, default: 64, doc: 'weights that share a scale, counted through the flattened tensor' }),
  doubleQuantization: boolean({ default: false, doc: 'whether the scales are rounded to 8 bits, 256 of them under one scale' }),
}

/** Scales that share a scale where they are quantized too. */
const SCALES_PER_BLOCK = 256
/** Divisor of a block of zeros. */
const SMALLEST = 1e-38

/** The largest magnitude of each run of `block` values. */
const absmaxOf = (values: Float32Array, block: number): Float32Array => {
  const largest = new Float32Array(Math.ceil(values.length / block))
  for (let i = 0; i < values.length; i++) {
    const run = Math.floor(i / block)
    largest[run] = Math.max(largest[run], Math.abs(values[i]))
  }
  return largest
}

/** The nearest level of value / scale for each value. */
const codesOf = (values: Float32Array, scales: Float32Array, block: number, table: CodebookName): Uint8Array => {
  const nearest = nearestCode(table)
  const codes = new Uint8Array(values.length)
  for (let i = 0; i < codes.length; i++)
    codes[i] = nearest(Math.fround(values[i] * Math.fround(1 / Math.max(scales[Math.floor(i / block)], SMALLEST))))
  return codes
}

/** Rounds scales to the dynamic table around their mean: 8 bits each, and one f32 for 256. */
const quantizedScales = (scales: Float32Array): Parameter => {
  const mean = Math.fround(scales.reduce((sum, scale) => sum + scale, 0) / scales.length)
  const centred = scales.map(scale => scale - mean)
  const largest = absmaxOf(centred, SCALES_PER_BLOCK)
  return codebookOf({
    shape: [scales.length],
    table: 'dynamic8',
    block: SCALES_PER_BLOCK,
    codes: codesOf(centred, largest, SCALES_PER_BLOCK, 'dynamic8'),
    scale: fromFloat32(largest, 'f32', [largest.length]),
    offset: fromFloat32([mean], 'f32', [1]),
  })
}

/** Rounds each weight to the nearest level of its table after division by the largest magnitude of its block. */
export const roundToTable = (
  values: Float32Array,
  shape: readonly number[],
  table: CodebookName,
  { block, doubleQuantization }: { readonly block: number; readonly doubleQuantization: boolean },
): Encoded => {
  const scales = absmaxOf(values, block)
  return codebookOf({
    shape,
    table,
    block,
    codes: codesOf(values, scales, block, table),
    scale: doubleQuantization ? quantizedScales(scales) : fromFloat32(scales, 'f32', [scales.length]),
  })
}
