import { linearDecay, refined, rex, stepDecay, warmupCosine, type Schedule } from './schedules.js'

const seen = (schedule: Schedule, steps: readonly number[]): number[] => steps.map(step => Math.round(schedule(step) * 1e6) / 1e6)

it('warms up and falls along a cosine', () => {
  const rate = warmupCosine({ peak: 1, warmup: 10, steps: 110, floor: 0.1 })
  expect(seen(rate, [0, 9, 10, 60, 110, 500])).toEqual([0.1, 1, 1, 0.55, 0.1, 0.1])
})

it('falls on a line, in steps and as REX does', () => {
  expect(seen(linearDecay({ peak: 2, steps: 4 }), [0, 1, 2, 3, 4, 9])).toEqual([2, 1.5, 1, 0.5, 0, 0])
  expect(seen(stepDecay({ peak: 2, at: [2, 4], factor: 0.5 }), [0, 1, 2, 3, 4, 9])).toEqual([2, 2, 1, 1, 0.5, 0.5])
  expect(seen(rex({ peak: 1, steps: 4 }), [0, 1, 2, 3, 4])).toEqual([1, 0.857143, 0.666667, 0.4, 0])
})

it('is refined from gradient norms', () => {
  // w = (1, 1, 1, 1): w_t · what comes after it is 3, 2, 1, 0, divided by the largest
  expect(seen(refined([1, 1, 1, 1], { peak: 3 }), [0, 1, 2, 3, 9])).toEqual([3, 2, 1, 0, 0])
  // w = (¼, 1, 1, 1): ¾, 2, 1, 0; before that the paper has (.231, .615, .308, 0)
  expect(seen(refined([2, 1, 1, 1], { peak: 2 }), [0, 1, 2, 3])).toEqual([0.75, 2, 1, 0])
  expect(seen(refined([2, 1, 1, 1], { peak: 2, power: 1 }), [0, 1, 2, 3])).toEqual([1.5, 2, 1, 0])
  // a median of three takes the spike away
  expect(seen(refined([1, 1, 9, 1, 1], { peak: 4, smooth: 0.6 }), [0, 1, 2, 3, 4])).toEqual([4, 3, 2, 1, 0])
})

it('checks its options', () => {
  expect(() => linearDecay({ peak: 1, steps: 0 })).toThrow('linearDecay got steps = 0.\nPass the number of steps, a positive integer.')
  expect(() => rex({ peak: NaN, steps: 1 })).toThrow('rex got peak = null.\nPass the number to begin with.')
  expect(() => stepDecay({ peak: 1, at: [4, 2] })).toThrow('stepDecay got at = [4,2].\nPass the steps at which it falls, in order.')
  expect(() => stepDecay({ peak: 1, at: [4], factor: 0 })).toThrow('stepDecay got factor = 0.\nPass a number above 0.')
  expect(() => refined([1, 0], { peak: 1 })).toThrow(
    'refined got norms = [1,0].\nPass the gradient norm of each step of an earlier training: numbers above 0.',
  )
})
