import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { picoLlama } from '@tersor/models'
import { fromFloat32, memoryStore } from '@tersor/tensor'
import { picoModel, useEngine } from '@tersor/testing'
import { multiplyAddsFor } from './multiply-adds-for.js'
import { multiplyAddsOf } from './multiply-adds.js'

useEngine()

const counted = async (model: Parameters<typeof multiplyAddsFor>[0], input: tf.Tensor): Promise<number> => {
  const count = await multiplyAddsFor(model, input)
  input.dispose()
  return count
}

it('takes the weights of a network once for each position', async () => {
  expect(await counted(picoModel(), tf.zeros([3, 16]))).toBe(3 * (16 * 32 + 32 * 8))
  const llama = picoLlama({ layers: 2 })
  expect(await counted(llama, tf.zeros([1, 5], 'int32'))).toBe(5 * multiplyAddsOf(llama)!)
})

it('takes a filter for each pixel that it makes: 5 × 4 of 9 × 7, with steps of 2, a row of zeros and cells 2 apart', async () => {
  const convolution = { kernel: [3, 3], strides: [2, 2], padding: [1, 1, 2, 2], dilations: [1, 2] } as const
  const site = { name: 'c', weight: 'c.weight', kind: 'conv2d', outAxis: 0, inAxis: 1, convolution } as const
  const model = {
    params: memoryStore({ 'c.weight': fromFloat32(new Float32Array(4 * 2 * 9), 'f32', [4, 2, 3, 3]) }),
    stages: [
      {
        name: 'c',
        parameters: ['c.weight'],
        sites: [site],
        run: (x: tf.Tensor, { tap }: { readonly tap?: (each: typeof site, input: tf.Tensor) => void }) => (tap?.(site, x), x),
      },
    ],
  }
  // height (9 + 2 − 2 − 1) / 2 + 1 = 5, width (7 + 4 − 4 − 1) / 2 + 1 = 4
  expect(await counted(model as never, tf.zeros([1, 9, 7, 2]))).toBe(5 * 4 * (4 * 2 * 9))
})
