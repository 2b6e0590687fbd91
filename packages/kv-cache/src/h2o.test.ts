import '@tensorflow/tfjs-backend-cpu'
import { describePolicy } from '@tersor/testing'
import { h2o } from './h2o.js'
import { keptBy } from './view.fixture.js'

describePolicy(() => h2o({ keep: 12, every: 1 }), { ample: () => h2o({ keep: 64, every: 1 }), most: 12 })
describePolicy(() => h2o({ keep: 0.25 }), { ample: () => h2o({ keep: 1 }), most: 10 })

// four tokens that look at all before them alike: sums 1 + ½ + ⅓ + ¼ and so on, seen 4, 3, 2 and 1 times
const shares = { sums: Float32Array.of(25 / 12, 13 / 12, 7 / 12, 1 / 4), counts: Float32Array.of(4, 3, 2, 1) }

it('divides sums by the queries that saw an entry, so that the beginning is favoured less', async () => {
  const features = { shares: { ...shares, sums: Float32Array.of(25 / 12, 13 / 12, 7 / 12, 0.4) } }
  // means 0.521, 0.361, 0.292, 0.4: the last beats the second, which has the larger sum
  expect(await keptBy(h2o({ keep: 2, recent: 0 }), { entries: 4, features })).toEqual([[0, 3]])
  expect(await keptBy(h2o({ keep: 2, recent: 0, like: 'paper' }), { entries: 4, features })).toEqual([[0, 1]])
})

it('keeps half its budget for the newest', async () => {
  expect(await keptBy(h2o({ keep: 2 }), { entries: 4, features: { shares } })).toEqual([[0, 3]])
})

it('refuses a budget below what always stays', () => {
  expect(() => h2o({ keep: 8, sinks: 4, recent: 6 })).toThrow(
    'h2o: a budget of 8 entries is below the 4 sinks and 6 recent ones that always stay.\nKeep 10 at least, or fewer sinks and recent entries.',
  )
  expect(() => h2o({ keep: 0 })).toThrow('h2o policy got keep = 0.')
})
