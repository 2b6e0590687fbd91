import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describeTerm } from '@tersor/testing'
import { fitNets } from './fit-nets.js'
import { lossOf, sceneOf } from './scene.fixture.js'

const hint = () => fitNets({ student: 'layers.0', teacher: 'layers.0' })
describeTerm(hint)

it('is half the mean square of what is missing', async () => {
  const [student, teacher] = [tf.tensor2d([[1, 2]]), tf.tensor2d([[3, 2]])]
  expect(await lossOf(hint(), { student, teacher })).toBe(1) // ½ (4 + 0) / 2
})

it('projects between widths', () => {
  const scene = sceneOf({ student: tf.tensor3d([[[1, 2]]]), teacher: tf.tensor3d([[[3, 2, 5]]]) })
  const projection = tf.tensor2d([[1, 0, 1], [0, 1, 1]]) // prettier-ignore
  expect(hint().loss(scene, { projection }).arraySync()).toBeCloseTo((0.5 * (4 + 0 + 4)) / 3, 6) // (1, 2, 3) for (3, 2, 5)
  const made = hint().init!(scene, { normal: () => Math.SQRT2 } as never)
  expect((made as { projection: tf.Tensor }).projection.arraySync()).toEqual([[1, 1, 1], [1, 1, 1]].map(row => row.map(() => expect.closeTo(1, 6)))) // prettier-ignore
})

it('refuses places of other sizes, and checks its options when it is made', async () => {
  await expect(lossOf(hint(), { student: tf.zeros([1, 4, 2]), teacher: tf.zeros([1, 2, 2]) })).rejects.toThrow(
    'The term "fit-nets" compares [1,4,2] of the student with [1,2,2] of the teacher.\nChoose places of one size: all but the channels must agree.',
  )
  expect(() => fitNets({ student: 'a' } as never)).toThrow('fit-nets term needs the option "teacher".')
})
