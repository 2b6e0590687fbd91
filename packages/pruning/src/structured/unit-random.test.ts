import '@tensorflow/tfjs-backend-cpu'
import { useEngine } from '@tersor/testing'
import { keptRows } from './kept-rows.fixture.js'
import { unitRandom } from './unit-random.js'

useEngine()

it('follows the seed', async () => {
  const [one, two] = [await keptRows(unitRandom(), 0.5), await keptRows(unitRandom(), 0.5)]
  expect(one.up).toHaveLength(2)
  expect(one.up).toEqual(two.up)
})
