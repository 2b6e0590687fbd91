import { codebookOf, defineMethod, EXPONENT_BIAS, powersOf } from '@tersor/core'
import { absmaxOfRuns, roundToE2m1, shareNumbers } from '@tersor/kernels'

/** Columns that share a scale, fixed by the format. */
const BLOCK = 32
/** Exponent of the largest 4-bit float, 6 = 1.5 · 2². */
const LARGEST_EXPONENT = 2

/** ⌊log₂ magnitude⌋ − 2 with its bias, 0 … 254. */
const exponentOf = (magnitude: number): number => {
  if (magnitude === 0) return 0
  let exponent = Math.floor(Math.log2(magnitude)) // off by one beside a power of two, where the logarithm rounds
  if (2 ** exponent > magnitude) exponent--
  else if (2 ** (exponent + 1) <= magnitude) exponent++
  return Math.min(254, Math.max(0, exponent - LARGEST_EXPONENT + EXPONENT_BIAS))
}

/**
 * MXFP4 of the OCP microscaling formats: 4-bit floats under a power of two for each 32 columns.
 * ŵ = 2^e · e2m1(w / 2^e), e = ⌊log₂ max|w|⌋ − 2; W: (out, in), ties to even, magnitudes above 6 · 2^e become 6 · 2^e.
 * Throws BAD_OPTION. Rouhani et al. 2023, https://arxiv.org/abs/2310.10537
 */
export const mxfp4 = defineMethod({
  name: 'mxfp4',
  summary: 'takes the nearest 4-bit float under a power of two for each 32 columns',
  paper: {
    title: 'Microscaling Data Formats for Deep Learning',
    authors: 'Rouhani et al.',
    year: 2023,
    url: 'https://arxiv.org/abs/2310.10537',
  },
  options: {},
  apply: async (weight, { signal }) => {
    const [rows, columns] = weight.shape
    const values = shareNumbers(await weight.data<'float32'>())
    const runs = { columns, run: BLOCK }
    const exponents = Uint8Array.from(await absmaxOfRuns(values, runs, { signal }), exponentOf)
    const scales = Float64Array.from(exponents, exponent => 2 ** (exponent - EXPONENT_BIAS))
    return codebookOf({
      shape: weight.shape,
      table: 'e2m1',
      block: BLOCK,
      codes: await roundToE2m1(values, { ...runs, scales }, { signal }),
      scale: powersOf(exponents, [rows, scales.length / rows]),
    })
  },
})
