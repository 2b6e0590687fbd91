import { defineMethod } from '@tersor/core'
import { blockOptions, roundToTable } from './block-absmax.js'

/**
 * 4-bit float of bitsandbytes: each weight takes the nearest of ±{0, 1/192, 1/6, 1/4, 1/3, 1/2, 2/3, 1} times the largest magnitude of its block.
 * ŵ = a · level[code], a = max|w| over `block` weights of the flattened (out, in) matrix; a weight halfway takes the lower level.
 * With `doubleQuantization`, a = mean(a) + s · level₈[code₈], s = max|a − mean(a)| over 256 blocks. Throws BAD_OPTION.
 * Dettmers et al. 2023, https://arxiv.org/abs/2305.14314
 */
export const fp4 = defineMethod({
  name: 'fp4',
  summary: 'takes the nearest 4-bit float of bitsandbytes',
  paper: {
    title: 'QLoRA: Efficient Finetuning of Quantized LLMs',
    authors: 'Dettmers et al.',
    year: 2023,
    url: 'https://arxiv.org/abs/2305.14314',
  },
  differs: 'where scales are rounded too, codes are still those of the unrounded scales, as in bitsandbytes',
  options: blockOptions,
  apply: (weight, { signal }, options) => roundToTable(weight, 'fp4', options, { signal }),
})
