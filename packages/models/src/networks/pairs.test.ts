import '@tensorflow/tfjs-backend-cpu'
import { compress, pack, type Step } from '@tersor/core'
import { wanda } from '@tersor/pruning'
import { biasCorrection, crossLayerEqualization, quantizeActivations, rtn } from '@tersor/quantization'
import { describePairs } from '@tersor/testing'
import { foldBatchNorm } from './fold-batch-norm.js'
import { resNetModel } from './resnet.js'
import { pixels, tiny, tinyStore } from './tiny-resnet.fixture.js'

/** What networks of images have besides: norms that fold, channels between ReLUs, biases. */
const STEPS: Readonly<Record<string, () => Step>> = {
  'fold-batch-norm': () => foldBatchNorm(),
  'cross-layer-equalization': () => crossLayerEqualization(),
  'bias-correction': () => biasCorrection(),
  wanda: () => wanda({ sparsity: 0.25 }),
  rtn: () => rtn({ bits: 6, granularity: 'row' }),
  'quantize-activations': () => quantizeActivations(),
  pack: () => pack(),
}

const unfolded = () => resNetModel(tiny, tinyStore())

describePairs('a ResNet', STEPS, {
  model: unfolded,
  calibration: () => [pixels(1)],
  table: `
fold-batch-norm          -+-++++
cross-layer-equalization -------
bias-correction          -------
wanda                    ---++++
rtn                      -----++
quantize-activations     +--++-+
pack                     +--++++
`,
})

describePairs('a ResNet with its norms folded', STEPS, {
  model: () => compress(unfolded(), foldBatchNorm()),
  calibration: () => [pixels(1)],
  table: `
fold-batch-norm          -------
cross-layer-equalization -+-++++
bias-correction          -------
wanda                    --+++++
rtn                      --+--++
quantize-activations     ---++-+
pack                     -+-++++
`,
})
