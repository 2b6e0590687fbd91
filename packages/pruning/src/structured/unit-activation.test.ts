import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { useEngine } from '@tersor/testing'
import { compress } from '@tersor/core'
import { keptRows, UP } from './kept-rows.fixture.js'
import { structured } from './structured.js'
import { rowsOf, twoLayers } from './two-layers.fixture.js'
import { unitActivation } from './unit-activation.js'

useEngine()

it('is what is read of units: of 1, 2, 4 and 0 the third', async () => {
  expect((await keptRows(unitActivation())).up).toEqual([UP[2]])
})

it('means tokens and adds squares of batches', async () => {
  // neuron 0 gives 4 and 0 in one batch: mean 2; neuron 1 gives 1 and 1, then 2: √(1 + 4) is more than √(4 + 0)
  const batches = [tf.tensor2d([[4, 1], [0, 1]]), tf.tensor2d([[0, 2]])] // prettier-ignore
  const model = twoLayers([[1, 0], [0, 1]], [[1, 1]]) // prettier-ignore
  const small = await compress(model, structured({ score: unitActivation(), keep: 0.5 }), { calibration: batches })
  expect(await rowsOf(small, 'up.weight')).toEqual([[0, 1]])
  tf.dispose(batches)
})

it('refuses units that no layer reads', async () => {
  const model = twoLayers([[1, 0]], [[1]])
  const unread = { ...model, couplings: model.couplings!.map(each => ({ ...each, members: each.members.slice(0, 1) })) }
  const x = tf.tensor2d([[1, 2]])
  const run = compress(unread, structured({ score: unitActivation() }), { calibration: [x] })
  await expect(run).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('No layer reads "neurons"') })
  x.dispose()
})
