import { copyStrided, stridesOf } from './strided-copy.js'

const counted = Float32Array.from({ length: 12 }, (_, i) => i)

it('tells how far apart the places of each axis stand', () => {
  expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1])
  expect(stridesOf([])).toEqual([])
})

it('turns, repeats and begins where it is told', () => {
  const turned = new Float32Array(12) // (3, 4) → (4, 3)
  copyStrided(counted, turned, [{ extent: 4, from: 1, to: 3 }, { extent: 3, from: 4, to: 1 }]) // prettier-ignore
  expect(Array.from(turned)).toEqual([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11])
  const repeated = new Float32Array(7)
  copyStrided(counted, repeated, [{ extent: 2, from: 0, to: 3 }, { extent: 2, from: 2, to: 1 }], 5, 1) // prettier-ignore
  expect(Array.from(repeated)).toEqual([0, 5, 7, 0, 5, 7, 0])
})

it('copies one value where there is no axis, and none where an axis is empty', () => {
  const target = new Float32Array(2)
  copyStrided(counted, target, [], 3, 1)
  copyStrided(counted, target, [{ extent: 0, from: 1, to: 1 }], 5)
  expect(Array.from(target)).toEqual([0, 3])
})
