import { describeCodec, roundTrip } from './codec-suite.fixture.js'
import { qsgd } from './qsgd.js'

describeCodec(qsgd({ bits: 4, block: 16 }), n => Math.ceil(n / 2) + 4 * Math.ceil(n / 16))
describeCodec(qsgd({ bits: 3, block: 512 }), n => Math.ceil((3 * n) / 8) + 4 * Math.ceil(n / 512))

it('(3, 4) at one level is 5 or 0, with probability 0.6 and 0.8', async () => {
  const [counts, seen] = [[0, 0], new Set<number>()]
  for (let seed = 0; seed < 1500; seed++)
    (await roundTrip(qsgd({ bits: 2, block: 8 }), Float32Array.of(3, 4), [2], seed)).forEach((value, i) => {
      seen.add(value)
      if (value === 5) counts[i]++
    })
  expect(seen).toEqual(new Set([0, 5]))
  expect(Math.abs(counts[0] / 1500 - 0.6)).toBeLessThan(0.05)
  expect(Math.abs(counts[1] / 1500 - 0.8)).toBeLessThan(0.05)
})

it('checks its options when it is called', () => {
  expect(() => qsgd({ bits: 9 })).toThrow('qsgd codec got bits = 9.\nPass an integer from 2 to 8')
})
