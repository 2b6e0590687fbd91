import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { useEngine } from '@tersor/testing'
import { adam } from './adam.js'
import { clip } from './clip.js'
import { frozen } from './frozen.js'
import { chain, type GradientTransform, type UpdateContext } from './gradient-transform.js'
import { grouped, scaleBy } from './grouped.js'
import { lamb } from './lamb.js'
import { crossEntropy } from './losses.js'
import { nesterov, sgd, signSgd } from './sgd.js'

useEngine()
beforeEach(() => tf.engine().startScope())
afterEach(() => tf.engine().endScope())

/** Read without blocking, which WebGPU cannot. */
const valueOf = async (tensor: tf.Tensor) => (await tensor.data())[0]
const valuesOf = async (tensor: tf.Tensor) => [...(await tensor.data())]

const NAME = { name: 'w' }
const contextOf = (parameter: tf.Tensor, more: Partial<UpdateContext> = {}): UpdateContext => ({
  ...{ parameter, ...NAME, step: 0, rng: undefined as never, norm: tf.scalar(1) },
  ...more,
})
/** Updates by the same gradient, step after step. */
const updates = async (transform: GradientTransform, parameter: tf.Tensor, gradients: readonly tf.Tensor[]): Promise<number[][]> => {
  let state = transform.init(parameter.shape, NAME)
  const seen: number[][] = []
  for (const [step, gradient] of gradients.entries()) {
    const [update, next] = transform.update(gradient, state, contextOf(parameter, { step }))
    state = next
    seen.push(await valuesOf(update))
  }
  return seen
}

it('steps as Adam does', async () => {
  const parameter = tf.tensor2d([[2]])
  const seen = await updates(adam({ learningRate: 0.1, weightDecay: 0.5 }), parameter, [tf.tensor2d([[3]]), tf.tensor2d([[-1]])])
  expect(seen[0][0]).toBeCloseTo(-0.1 - 0.1 * 0.5 * 2, 5) // m̂ / √v̂ = 1, plus decay
  const [m, v] = [(0.9 * 0.3 - 0.1) / (1 - 0.81), (0.999 * 0.009 + 0.001) / (1 - 0.999 ** 2)]
  expect(seen[1][0]).toBeCloseTo((-0.1 * m) / Math.sqrt(v) - 0.1, 4)
})

it('steps as momentum does, and chains', async () => {
  const both = chain(sgd({ learningRate: -1, momentum: 0.5 }), sgd({ learningRate: 0.1 }))
  expect(both.name).toBe('chain(sgd, sgd)')
  // u = 2, then 0.5 · 2 + 2 = 3
  expect(await updates(both, tf.scalar(0), [tf.scalar(2), tf.scalar(2)])).toEqual([[expect.closeTo(-0.2)], [expect.closeTo(-0.3)]])
})

it('looks ahead as Nesterov does', async () => {
  // u = 2: g + 0.5 u = 3; u = 3: 2 + 1.5 = 3.5
  const seen = await updates(nesterov({ learningRate: 0.1, momentum: 0.5 }), tf.scalar(0), [tf.scalar(2), tf.scalar(2)])
  expect(seen).toEqual([[expect.closeTo(-0.3)], [expect.closeTo(-0.35)]])
})

it('descends by signs', async () => {
  const [update] = await updates(signSgd({ learningRate: step => 0.5 / (step + 1) }), tf.zeros([3]), [tf.tensor1d([2, 0, -0.1])])
  expect(update.map(value => value + 0)).toEqual([-0.5, 0, 0.5])
})

it('is as long as the weight as LAMB is', async () => {
  // m̂ / √v̂ = (1, −1), with decay 0.1 · (3, 4): r = (1.3, −0.6), ‖r‖ = √2.05, ‖w‖ = 5
  const parameter = tf.tensor2d([[3, 4]])
  const gradient = tf.tensor2d([[2, -7]])
  const [update] = await updates(lamb({ learningRate: 0.1, weightDecay: 0.1, epsilon: 0 }), parameter, [gradient])
  const ratio = 5 / Math.sqrt(2.05)
  expect(update).toEqual([expect.closeTo(-0.1 * ratio * 1.3, 5), expect.closeTo(0.1 * ratio * 0.6, 5)])
  // a weight of zeros has no length to go by, and vectors no decay
  const [fresh] = await updates(lamb({ learningRate: 0.1, weightDecay: 1, epsilon: 0 }), tf.zeros([2]), [tf.tensor1d([2, -7])])
  expect(fresh).toEqual([expect.closeTo(-0.1, 6), expect.closeTo(0.1, 6)])
})

it('clips by the joint norm, and by value', async () => {
  const context = contextOf(tf.zeros([2]), { norm: tf.scalar(10) })
  const [scaled] = clip({ norm: 5 }).update(tf.tensor1d([6, 4]), [], context)
  expect(await valuesOf(scaled)).toEqual([expect.closeTo(3, 5), expect.closeTo(2, 5)])
  const [same] = clip({ norm: 20 }).update(tf.tensor1d([6, 4]), [], context)
  expect(await valuesOf(same)).toEqual([6, 4])
  const [cut] = clip({ value: 5 }).update(tf.tensor1d([6, -9]), [], context)
  expect(await valuesOf(cut)).toEqual([5, -5])
  expect(() => clip({ norm: 0 })).toThrow('clip got norm = 0.\nPass a number above 0.')
})

describe('groups', () => {
  const trained = [{ name: 'a.weight' }, { name: 'a.scale' }, { name: 'b.weight' }]
  const groups = grouped(
    ['*.scale', sgd({ learningRate: 1 })],
    [({ name }) => name.startsWith('b'), frozen],
    ['*', chain(clip({ value: 1 }), sgd({ learningRate: 0.1 }))],
  )

  it('gives each parameter to the first that selects it', async () => {
    groups.check?.(trained)
    const update = async (name: string) =>
      valueOf(groups.update(tf.scalar(4), groups.init([], { name }), contextOf(tf.scalar(0), { name }))[0])
    expect(await update('a.scale')).toBe(-4)
    expect(await update('a.weight')).toBeCloseTo(-0.1)
    expect(trained.map(each => groups.moves?.(each))).toEqual([true, true, false])
    expect(groups.name).toBe('grouped(sgd, frozen, chain(clip, sgd))')
  })

  it('refuses a group that selects nothing, and what is in no group', () => {
    expect(() => grouped(['*', frozen], ['*.scale', frozen]).check?.(trained)).toThrow(
      'The group "*.scale" selects nothing that is trained.\nWhat is trained and in no group before it is nothing.',
    )
    expect(() => grouped(['*.scales', frozen], ['*', frozen]).check?.(trained)).toThrow(
      'The group "*.scales" selects nothing that is trained.\nWhat is trained and in no group before it is a.weight, a.scale, b.weight.',
    )
    expect(() => grouped(['a.*', frozen]).check?.(trained)).toThrow(
      "No group selects b.weight.\nEnd with ['*', transform], or with ['*', frozen] where the rest shall stay as it is.",
    )
    expect(() => chain(grouped(['a.*', frozen])).check?.(trained)).toThrow(expect.objectContaining({ code: 'COMPOSITION' }))
  })

  it('scales updates by a number of the parameter', async () => {
    const slow = chain(
      sgd({ learningRate: 1 }),
      scaleBy(({ name }) => (name === 'w' ? 0.25 : 0)),
    )
    expect(await updates(slow, tf.scalar(0), [tf.scalar(4)])).toEqual([[-1]])
    expect([slow.moves?.(NAME), slow.moves?.({ name: 'other' })]).toEqual([true, false])
  })
})

it('is the cross-entropy of the target', async () => {
  const output = tf.tensor3d([[[0, Math.log(3)], [0, 0]]]) // prettier-ignore
  const loss = crossEntropy(output, { input: output, target: tf.tensor2d([[1, 0]], [1, 2], 'int32') })
  expect(await valueOf(loss)).toBeCloseTo((-Math.log(0.75) - Math.log(0.5)) / 2, 6)
})
