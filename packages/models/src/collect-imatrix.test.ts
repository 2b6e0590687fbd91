import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import type { Model, Stage } from '@tersor/core'
import { fromFloat32, memoryStore } from '@tersor/tensor'
import { collectImatrix } from './collect-imatrix.js'
import { importanceOf } from '@tersor/formats/internal/gguf/imatrix/imatrix'

const site = {
  name: 'model.layers.0.mlp.up_proj',
  weight: 'model.layers.0.mlp.up_proj.weight',
  kind: 'linear',
  outAxis: 0,
  inAxis: 1,
} as const
const head = { ...site, name: 'lm_head', weight: 'lm_head.weight', head: true } as const
const stage = (at: typeof site | typeof head): Stage => ({
  name: at.name,
  parameters: [at.weight],
  sites: [at],
  run: (x, env) => {
    env.tap?.(at, x)
    return tf.matMul(x, env.weights(at.weight), false, true)
  },
})
const weights = { [site.weight]: fromFloat32([1, 2, 3, 4], 'f32', [2, 2]), [head.weight]: fromFloat32([1, 0, 0, 1], 'f32', [2, 2]) }
const model: Model = { params: memoryStore(weights), stages: [stage(site), stage(head)] }

beforeAll(async () => {
  await tf.setBackend('cpu')
})

it('sums the squares that each column saw, over all batches, without the head', async () => {
  const batches = [tf.tensor2d([[1, 2], [3, 4]]), tf.tensor2d([[5, 6]])] // prettier-ignore
  const before = tf.memory().numTensors
  const seen: number[] = []
  const imatrix = await collectImatrix(model, batches, { datasets: ['text'], onProgress: done => seen.push(done) })
  expect([...imatrix.entries.keys()]).toEqual(['blk.0.ffn_up.weight'])
  const entry = imatrix.entries.get('blk.0.ffn_up.weight')!
  expect([...entry.sums]).toEqual([1 + 9 + 25, 4 + 16 + 36])
  expect(entry.calls).toEqual([3])
  importanceOf(entry).forEach((value, i) => expect(value).toBeCloseTo([35, 56][i] / 3, 5))
  expect(imatrix).toMatchObject({ chunks: 3, chunkSize: 2, datasets: ['text'] })
  expect(seen).toEqual([1, 2])
  expect(tf.memory().numTensors).toBe(before)
})

it('stops when it is told to, and leaves no tensor behind', async () => {
  const batches = [tf.tensor2d([[1, 2]])]
  const before = tf.memory().numTensors
  const controller = new AbortController()
  const run = collectImatrix(model, batches, { signal: controller.signal, onProgress: () => controller.abort(new Error('enough')) })
  await expect(run).rejects.toThrow('enough')
  expect(tf.memory().numTensors).toBe(before)
})

it('needs inputs', async () => {
  await expect(collectImatrix(model, [])).rejects.toMatchObject({ code: 'NO_CALIBRATION' })
})

it('counts for each expert the inputs that reached it', async () => {
  const sites = [0, 1].map(expert => {
    const name = `model.layers.0.mlp.experts.${expert}.up_proj`
    return { ...site, name, weight: `${name}.weight` }
  })
  const mixture: Stage = {
    name: 'mixture',
    parameters: sites.map(({ weight }) => weight),
    sites,
    run: (x, env) => {
      sites.forEach((at, expert) => env.tap?.(at, tf.mul(x, expert === 0 ? [[1], [0], [1]] : [[0], [1], [0]])))
      return x
    },
  }
  const params = memoryStore(Object.fromEntries(sites.map(({ weight }) => [weight, fromFloat32([1, 2, 3, 4], 'f32', [2, 2])])))
  const { entries } = await collectImatrix({ params, stages: [mixture] }, [tf.tensor2d([[1, 2], [3, 4], [5, 6]])]) // prettier-ignore
  const entry = entries.get('blk.0.ffn_up_exps.weight')!
  expect([...entries.keys()]).toEqual(['blk.0.ffn_up_exps.weight'])
  expect([...entry.sums]).toEqual([1 + 25, 4 + 36, 9, 16])
  expect(entry.calls).toEqual([2, 1])
})
