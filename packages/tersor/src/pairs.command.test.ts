import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { pack, type Step } from '@tersor/core'
import { eora, svd } from '@tersor/low-rank'
import { picoLlama } from '@tersor/models'
import { magnitude, sparseGpt, wanda } from '@tersor/pruning'
import { awq, biasCorrection, fp8, gptq, hadamard, hqq, kQuant, nf4, quantizeActivations, rtn, smoothQuant } from '@tersor/quantization'
import { describePairs } from '@tersor/testing'

/** One step of each kind: masks, grids, tables, blocks, factors, repairs, exact passes, grids of activations, packing. */
const STEPS: Readonly<Record<string, () => Step>> = {
  magnitude: () => magnitude({ sparsity: 0.25 }),
  wanda: () => wanda({ pattern: '2:4' }),
  'sparse-gpt': () => sparseGpt({ sparsity: 0.25 }),
  rtn: () => rtn({ bits: 4, group: 8 }),
  gptq: () => gptq({ bits: 4, group: 8 }),
  hqq: () => hqq({ bits: 4, group: 8 }),
  'k-quant': () => kQuant({ type: 'q4_0' }),
  nf4: () => nf4({ block: 16 }),
  fp8: () => fp8(),
  svd: () => svd({ rank: 12 }),
  eora: () => eora({ rank: 4 }),
  'bias-correction': () => biasCorrection(),
  awq: () => awq({ bits: 4, group: 8, steps: 2 }),
  'smooth-quant': () => smoothQuant(),
  hadamard: () => hadamard(),
  'quantize-activations': () => quantizeActivations(),
  pack: () => pack(),
}

const TABLE = `
magnitude            +++++++++++----++
wanda                +++++++++++----++
sparse-gpt           +++++++++++----++
rtn                  ----------+----++
gptq                 ----------+----++
hqq                  ----------+----++
k-quant              ----------+----++
nf4                  ----------+----++
fp8                  ----------+----++
svd                  +--+-++++++----++
eora                 -----------------
bias-correction      -----------------
awq                  ++++++++++--+++++
smooth-quant         ++++++++++--+++++
hadamard             ++++++++++--+++++
quantize-activations ++++++++++------+
pack                 ++++++++++--+++++
`

describePairs('a Llama of one block', STEPS, {
  model: () => picoLlama({ layers: 1, hidden: 16, feedForward: 32, heads: 2, keyValueHeads: 1, vocabulary: 64, seed: 5 }),
  calibration: () => [
    tf.tensor2d(
      Int32Array.from({ length: 32 }, (_, i) => (i * 11) % 61),
      [1, 32],
      'int32',
    ),
  ],
  table: TABLE,
})
