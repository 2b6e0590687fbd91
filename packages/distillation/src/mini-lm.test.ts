import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import type { Batch, Scene } from '@tersor/core'
import { picoLlama } from '@tersor/models'
import { describeTerm } from '@tersor/testing'
import { miniLm, valueRelations } from './mini-lm.js'

const BLOCK = 'model.layers.0.self_attn'
const term = () => miniLm({ student: BLOCK, teacher: BLOCK, causal: true })

describeTerm(term, {
  model: seed => picoLlama({ layers: 1, vocabulary: 64, seed }),
  data: (_step, rng) => ({ input: tf.tensor2d(Int32Array.from({ length: 4 }, () => rng.integer(60)), [1, 4], 'int32') }), // prettier-ignore
})

interface Block {
  /** (batch, heads, tokens, tokens) and (batch, heads, tokens, size). */
  readonly shares: tf.Tensor
  readonly values: tf.Tensor
}
const lossOf = async (student: Block, teacher: Block, { causal = false, attended }: { causal?: boolean; attended?: tf.Tensor } = {}) => {
  const outputs = (block: Block) => ({
    output: block.values,
    at: (place: string) => (place.endsWith('.shares') ? block.shares : block.values),
  })
  const batch: Batch = { input: student.values, ...(attended && { attended }) }
  const scene = { batch, student: outputs(student), teacher: outputs(teacher) } as unknown as Scene
  return (await miniLm({ student: 'a', teacher: 'b', causal }).loss(scene, {}).data())[0]
}

const even = tf.tensor4d([[[[0.5, 0.5], [0.5, 0.5]]]]) // prettier-ignore
const nothing = tf.zeros([1, 1, 2, 3])

it('compares shares of attention, the mean over heads and tokens', async () => {
  // ¾ ln 1.5 + ¼ ln ½ = .130812 for the first token, and nothing for the second
  const shares = tf.tensor4d([[[[0.75, 0.25], [0.5, 0.5]]]]) // prettier-ignore
  expect(await lossOf({ shares: even, values: nothing }, { shares, values: nothing })).toBeCloseTo(0.130812 / 2, 6)
  const attended = tf.tensor2d([[1, 0]], [1, 2], 'int32')
  expect(await lossOf({ shares: even, values: nothing }, { shares, values: nothing }, { attended })).toBeCloseTo(0.130812, 6)
})

it('compares how values lie to each other, whatever their size and order', async () => {
  // v = (√(√2 ln 3), 0), (0, 0): the first row of V Vᵀ / √2 is (ln 3, 0), and the softmax (¾, ¼)
  const values = tf.tensor4d([[[[Math.sqrt(Math.SQRT2 * Math.log(3)), 0], [0, 0]]]]) // prettier-ignore
  const first = await tf.exp(valueRelations(values, undefined)).data()
  expect([...first]).toEqual([0.75, 0.25, 0.5, 0.5].map(value => expect.closeTo(value, 5)))
  expect(await lossOf({ shares: even, values: nothing }, { shares: even, values })).toBeCloseTo(0.130812 / 2, 5)
  const turned = tf.reverse(values, 3)
  expect(await lossOf({ shares: even, values: turned }, { shares: even, values })).toBeCloseTo(0, 6)
  // the first token of a causal network sees itself alone
  expect(await lossOf({ shares: even, values: nothing }, { shares: even, values }, { causal: true })).toBeCloseTo(0, 6)
})

it('refuses other numbers of heads, and checks its options when it is made', async () => {
  const two = { shares: tf.zeros([1, 2, 2, 2]), values: tf.zeros([1, 2, 2, 3]) }
  await expect(lossOf({ shares: even, values: nothing }, two)).rejects.toThrow(
    'The term "mini-lm" compares relations [1,1,2,2] of the student with [1,2,2,2] of the teacher.\nBoth need as many heads; their sizes and the depths of the networks are free.',
  )
  expect(() => miniLm({ student: 'a' } as never)).toThrow('mini-lm term needs the option "teacher".')
})
