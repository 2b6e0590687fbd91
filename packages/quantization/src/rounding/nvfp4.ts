import { codebookOf, defineMethod, scaledOf } from '@tersor/core'
import { decodeF8e4m3, fromFloat32, toFloat32 } from '@tersor/tensor'
import { absmaxOfRuns, roundToE2m1, shareNumbers } from '@tersor/kernels'

/** Columns that share a scale, fixed by the format. */
const BLOCK = 16
/** The largest 4-bit float. */
const E2M1_LARGEST = 6
const LARGEST_SCALE = decodeF8e4m3(0x7e) // 448

const reciprocal = (value: number): number => Math.fround(1 / value)

/** The scale of a tensor, such that files that keep its reciprocal give it back. */
const tensorScale = (largest: number): number => {
  let scale = Math.fround(largest / (LARGEST_SCALE * E2M1_LARGEST))
  if (scale === 0 || !Number.isFinite(reciprocal(scale))) return 1
  while (reciprocal(reciprocal(scale)) !== scale) scale = reciprocal(reciprocal(scale))
  return scale
}

/**
 * NVFP4: 4-bit floats under an 8-bit float for each 16 columns, and one scale for the whole tensor.
 * ŵ = g · s · e2m1(w / (g · s)), s = e4m3(max|w| / (6 · g)), g = max|W| / (448 · 6); W: (out, in), ties to even.
 * Throws BAD_OPTION. NVIDIA et al. 2025, https://arxiv.org/abs/2509.25149
 */
export const nvfp4 = defineMethod({
  name: 'nvfp4',
  summary: 'takes the nearest 4-bit float under an 8-bit float for each 16 columns',
  paper: {
    title: 'Pretraining Large Language Models with NVFP4',
    authors: 'NVIDIA et al.',
    year: 2025,
    url: 'https://arxiv.org/abs/2509.25149',
  },
  differs:
    'weights only; there are no blocks of 16 × 16, no rotation and no stochastic rounding, which are for training; g is moved by at most one unit so that files may keep its reciprocal',
  options: {},
  apply: async (weight, { signal }) => {
    const [rows, columns] = weight.shape
    const values = shareNumbers(await weight.data<'float32'>())
    const runs = { columns, run: BLOCK }
    const largest = await absmaxOfRuns(values, runs, { signal })
    const whole = tensorScale(largest.reduce((most, value) => Math.max(most, value), 0))
    const shape = [rows, largest.length / rows]
    const local = fromFloat32(
      largest.map(value => Math.min(LARGEST_SCALE, value / E2M1_LARGEST / whole)),
      'f8e4m3',
      shape,
    )
    const scales = Float64Array.from(toFloat32(local), scale => Math.fround(scale * whole))
    const codes = await roundToE2m1(values, { ...runs, scales }, { signal })
    return codebookOf({ shape: weight.shape, table: 'e2m1', block: BLOCK, codes, scale: scaledOf(local, [whole]) })
  },
})
