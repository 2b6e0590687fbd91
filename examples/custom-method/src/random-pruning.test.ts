import '@tensorflow/tfjs-backend-cpu'
import { describeMethod, picoModel, applyMethod, valuesOf } from '@tersor/testing'
import { compress, pipeline } from '@tersor/core'
import { rtn } from '@tersor/quantization'
import { describe as describeTree } from '@tersor/tensor'
import { randomPruning } from './random-pruning.js'

describeMethod(() => randomPruning({ sparsity: 0.5 }), { neutral: () => randomPruning({ sparsity: 0 }), smaller: false })

it('removes about the fraction it is given and keeps the rest as it was', async () => {
  const weight = [Array.from({ length: 2000 }, (_, i) => i + 1)]
  const [row] = await valuesOf(await applyMethod(randomPruning({ sparsity: 0.3 }), { weight }))
  const kept = row.filter(value => value !== 0)
  expect(kept.length / 2000).toBeCloseTo(0.7, 1)
  expect(kept.every(value => value === weight[0][value - 1])).toBe(true)
})

it('is followed by the methods of other packages', async () => {
  const small = await compress(picoModel(), pipeline(randomPruning(), rtn({ bits: 4, group: 8 })))
  expect(describeTree(await small.params.read('layers.0.weight'))).toBe('masked{mask: u1, values: affine{data: u4, scale: f16}}')
})
