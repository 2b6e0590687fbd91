import { definePass, fraction, shrink } from '@tersor/core'
import { blockInfluence, leastInfluential } from './block-influence.js'

/**
 * ShortGPT: leaves out the blocks that turn their inputs least; nothing is trained.
 * BI = 1 − E[cos(x, block(x))] over the tokens of calibration; the blocks with the smallest go together.
 * X: (tokens, hidden). Throws BAD_OPTION, NO_CALIBRATION, UNSUPPORTED for a network without such blocks.
 * Men et al. 2024, https://arxiv.org/abs/2403.03853
 */
export const shortGpt = definePass({
  name: 'short-gpt',
  summary: 'leaves out the blocks that turn their inputs least',
  paper: {
    title: 'ShortGPT: Layers in Large Language Models are More Redundant Than You Expect',
    authors: 'Men et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2403.03853',
  },
  options: { keep: fraction({ default: 0.75, doc: 'share of the blocks that stays, to the nearest whole one' }) },
  run: async (model, context, { keep }) =>
    shrink(model, { without: leastInfluential(await blockInfluence(model, 'short-gpt', context), keep) }, context),
})
