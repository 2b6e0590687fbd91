import type { Tensor2D } from '@tensorflow/tfjs-core'
import { boolean, codebookOf, integer, nearestCode, sortedLevels, type CodebookName } from '@tersor/core'
import { absmaxOfRuns, nearestLevels, shareNumbers, type RunRowsOptions } from '@tersor/kernels'
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

/** The nearest of the 256 levels of value / scale, where each run of `SCALES_PER_BLOCK` values has its scale. */
const dynamicCodes = (values: Float32Array, scales: Float32Array): Uint8Array => {
  const nearest = nearestCode('dynamic8')
  return Uint8Array.from(values, (value, i) =>
    nearest(Math.fround(value * Math.fround(1 / Math.max(scales[Math.floor(i / SCALES_PER_BLOCK)], SMALLEST)))),
  )
}

/** Rounds scales to the dynamic table around their mean: 8 bits each, and one f32 for 256. */
const quantizedScales = async (scales: Float32Array): Promise<Parameter> => {
  const mean = Math.fround(scales.reduce((sum, scale) => sum + scale, 0) / scales.length)
  const centred = scales.map(scale => scale - mean)
  const largest = await absmaxOfRuns(centred, { columns: SCALES_PER_BLOCK, run: SCALES_PER_BLOCK })
  return codebookOf({
    shape: [scales.length],
    table: 'dynamic8',
    block: SCALES_PER_BLOCK,
    codes: dynamicCodes(centred, largest),
    scale: fromFloat32(largest, 'f32', [largest.length]),
    offset: fromFloat32([mean], 'f32', [1]),
  })
}

/** Rounds each weight to the nearest level of its table after division by the largest magnitude of its block. */
export const roundToTable = async (
  weight: Tensor2D,
  table: Exclude<CodebookName, 'dynamic8'>,
  { block, doubleQuantization }: { readonly block: number; readonly doubleQuantization: boolean },
  options: RunRowsOptions,
): Promise<Encoded> => {
  const values = shareNumbers(await weight.data<'float32'>())
  const scales = await absmaxOfRuns(values, { columns: block, run: block }, options)
  return codebookOf({
    shape: weight.shape,
    table,
    block,
    codes: await nearestLevels(values, sortedLevels(table), { run: block, scales }, options),
    scale: doubleQuantization ? await quantizedScales(scales) : fromFloat32(scales, 'f32', [scales.length]),
  })
}
