import '@tensorflow/tfjs-backend-cpu'
import { describePolicy } from '@tersor/testing'
import { random } from './random.js'
import { keptBy } from './view.fixture.js'

describePolicy(() => random({ keep: 12, sinks: 1 }), { ample: () => random({ keep: 64 }), most: 12 })

it('keeps what is drawn, another for each row, with the sinks and the newest', async () => {
  const [a, b] = (await keptBy(random({ keep: 10, sinks: 2, recent: 2 }), { entries: 40, rows: 2 })) as number[][]
  expect([a.slice(0, 2), a.slice(-2)]).toEqual([
    [0, 1],
    [38, 39],
  ])
  expect(a).toHaveLength(10)
  expect(a).not.toEqual(b)
})

it('checks its options when it is made', () =>
  expect(() => random({ keep: 3, recent: 4 })).toThrow('random: a budget of 3 entries is below'))
