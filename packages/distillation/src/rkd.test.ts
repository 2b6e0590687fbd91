import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describeTerm } from '@tersor/testing'
import { distancesOf, rkd } from './rkd.js'
import { gradientOf, lossOf } from './scene.fixture.js'

describeTerm(() => rkd())
describeTerm(() => rkd({ student: 'layers.0', teacher: 'layers.0', angle: 0 }))

const points = tf.tensor2d([[0], [1], [3]])

it('measures distances by their mean', async () => {
  // 1, 3 and 2, whose mean is 2
  const expected = [0, 0.5, 1.5, 0.5, 0, 1, 1.5, 1, 0]
  expect([...(await distancesOf(points).data())]).toEqual(expected.map(value => expect.closeTo(value, 6)))
})

it('compares distances and angles', async () => {
  const same = tf.tensor2d([
    [0, 0],
    [0, 5],
    [0, 15],
  ]) // the same line, elsewhere and longer // prettier-ignore
  expect(await lossOf(rkd(), { student: same, teacher: points })).toBeCloseTo(0, 6)
  // distances 1, 1, 2 by their mean 4/3: ¾, ¾, 3/2 where the teacher has ½, 1, 3/2: ½ d² of two pairs, twice, over 9
  const even = tf.tensor2d([[0], [1], [2]])
  expect(await lossOf(rkd({ angle: 0 }), { student: tf.gather(even, [0, 1, 2]), teacher: points })).toBeCloseTo((4 * 0.5 * 0.0625) / 9, 6)
  // a right angle at the second point where the teacher has a straight one: cosines 0 for −1, ±½√2 for 1
  const corner = tf.tensor2d([[1, 0], [0, 0], [0, 1]]) // prettier-ignore
  const half = (difference: number) => 0.5 * difference ** 2
  const angles = (2 * half(1) + 4 * half(1 - Math.SQRT1_2)) / 27
  expect(await lossOf(rkd({ distance: 0, angle: 1 }), { student: corner, teacher: points })).toBeCloseTo(angles, 5)
})

it('has gradients where samples are equal', async () => {
  const gradient = await gradientOf(rkd(), { student: tf.tensor2d([[1, 2], [1, 2], [0, 1]]), teacher: tf.tensor2d([[1, 2], [3, 1], [0, 1]]) }) // prettier-ignore
  expect(gradient.every(Number.isFinite)).toBe(true)
  expect(() => rkd({ angle: -1 })).toThrow('rkd term got angle = -1.')
})
