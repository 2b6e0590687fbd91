import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { adam, createRng, crossEntropy, cutSorted, remade, train, type Model, type Sorted } from '@tersor/core'
import { describeCouplings } from '@tersor/testing'
import { fromFloat32, fromIntegers, memoryStore, overlay, type Dense, type Parameter } from '@tersor/tensor'
import { streamingLlm } from '@tersor/kv-cache'
import { openSession } from '../generation/session.js'
import { checkPairs } from './check-pairs.js'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'
import type { LanguageModel } from './language-model.js'
import { parseLlamaConfig, type LlamaConfig } from './llama-config.js'
import { llamaModel } from './llama.js'
import { largestGap, outputsOf, someIds, withValues } from './outputs.fixture.js'
import { inOrder, rotate } from './rope.js'
import type { RawConfig } from './raw-config.js'

beforeAll(() => tf.setBackend('cpu'))

const SORTED: Sorted = { multiples: { neurons: 4, sizes: 1 } }
const TABLES = [
  [3, 1, 0, 2, 2, 0, 3, 1],
  [1, 3, 2, 0, 0, 1, 2, 3],
]
const tables = (): ReadonlyMap<string, Parameter> =>
  new Map(TABLES.map((table, layer) => [`model.layers.${layer}.self_attn.rotary_pairs`, fromIntegers(table, 'i32', [2, 4])] as const))

/** A network each of whose key heads has its pairs in an order of its own. */
const sorted = async (name = 'llama', more: RawConfig = {}): Promise<LanguageModel<LlamaConfig>> => {
  const rng = createRng(7)
  const fresh = freshModel({ ...FRESH_CONFIGS[name], rms_norm_eps: 0.1, ...more }, { seed: 3, deviation: 0.2 }) as LanguageModel
  const model = await withValues(fresh, (parameter, values) =>
    values.map(value => value + (/norm|bias/.test(parameter) ? 0.3 * rng.fork(parameter).normal() : 0)),
  )
  return remade(model, { sorted: SORTED }).over(overlay(model.params, tables())) as LanguageModel<LlamaConfig>
}

describeCouplings('a Llama with sorted heads', { make: () => sorted(), input: someIds })
describeCouplings('one whose projections are one weight', { make: () => sorted('phi3'), input: someIds })
// biases are sorted with the weights that they are added behind, as those of sorted-networks.test.ts
if (process.env.TERSOR_SLOW === '1')
  describeCouplings('one with biases', { make: () => sorted('llama', { attention_bias: true }), input: someIds })

it('turns each pair by the frequency that the table names', () => {
  const x = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 1, 4])
  const cos = tf.tensor2d([0.6, 0.8], [1, 2])
  const sin = tf.tensor2d([0.8, -0.6], [1, 2])
  const turned = tf.tidy(() => rotate(x, inOrder({ cos, sin }, tf.tensor2d([0, 1, 1, 0], [2, 2], 'int32'), 1)).dataSync())
  // pair (a, b) → (a cos − b sin, b cos + a sin); the second head has its frequencies the other way round
  const expected = [1 * 0.6 - 3 * 0.8, 2 * 0.8 + 4 * 0.6, 3 * 0.6 + 1 * 0.8, 4 * 0.8 - 2 * 0.6]
  const other = [5 * 0.8 + 7 * 0.6, 6 * 0.6 - 8 * 0.8, 7 * 0.8 - 5 * 0.6, 8 * 0.6 + 6 * 0.8]
  expect(largestGap(turned, [...expected, ...other])).toBeLessThan(1e-6)
  tf.dispose([x, cos, sin])
})

it('goes on from a cache as it reads a whole text, cut too', async () => {
  for (const model of [await sorted(), await cutSorted(await sorted(), 0.5)]) {
    const whole = await outputsOf(model, () => tf.tensor2d([3, 5, 1, 8], [1, 4], 'int32'))
    const session = await openSession(model, {})
    await session.append([3, 5])
    await session.append([1])
    const last = await session.append([8])
    expect(largestGap(last, whole.subarray(3 * 60))).toBeLessThan(1e-5)
    session.dispose()
  }
})

it('says in its config how it is sorted, and is read again with that', async () => {
  const { rawConfig } = await cutSorted(await sorted(), 0.5)
  expect(rawConfig).toMatchObject({ head_dim: [4, 4], original_head_dim: 8, intermediate_size: 24, sorted_units: { neurons: 4, sizes: 1 } })
  expect(parseLlamaConfig(rawConfig)).toMatchObject({ headSize: 8, scoreScale: 1 / Math.sqrt(8), sorted: SORTED })
})

it.each([
  ['an odd head size', { head_dim: [3, 4] }, 'BAD_FILE', 'an even number, since halves are rotated'],
  ['a list that is too short', { head_dim: [4] }, 'BAD_FILE', 'a list of 2 whole numbers'],
  ['no size of before', { original_head_dim: undefined }, 'BAD_FILE', '"original_head_dim" is missing'],
  ['kinds that cannot be sorted', { sorted_units: { experts: 2 } }, 'BAD_FILE', 'neurons or sizes'],
  ['a multiple that is none', { sorted_units: { sizes: 0 } }, 'BAD_FILE', 'a whole number from 1'],
  ['influence of other blocks', { sorted_units: { sizes: 1, influence: [1] } }, 'BAD_FILE', 'a list of 2 numbers, one a block'],
  ['no order of pairs', { head_dim: 8, sorted_units: undefined }, undefined, ''],
])('a config with %s', async (_what, change, code, words) => {
  const { rawConfig, params } = await sorted()
  const make = () => llamaModel({ ...rawConfig, ...change }, params)
  if (code === undefined) return expect(make().sorted).toBeUndefined()
  expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(/^[^\n]+\n[^\n]+$/) }))
  expect(make).toThrow(words)
})

it('a file whose table is missing, of another shape or no order of frequencies is refused', async () => {
  const { rawConfig, params, config } = await sorted()
  const name = 'model.layers.1.self_attn.rotary_pairs'
  const names = params.names().filter(each => each !== name)
  expect(() => llamaModel(rawConfig, { ...params, names: () => names })).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
  const given = (parameter: Parameter) => memoryStore({ ...Object.fromEntries(tables()), [name]: parameter })
  const wide = overlay(params, new Map([[name, fromIntegers([0, 1, 2, 3], 'i32', [1, 4])]]))
  expect(() => llamaModel(rawConfig, wide)).toThrow(expect.objectContaining({ code: 'SHAPE' }))
  for (const table of [[0, 1, 2, 4], [0, 1, 2, -1], [0, 1, 1, 2]]) // prettier-ignore
    await expect(checkPairs(config, given(fromIntegers([...table, 0, 1, 2, 3], 'i32', [2, 4])))).rejects.toMatchObject({ code: 'BAD_FILE', message: expect.stringContaining('of head 0, each once') }) // prettier-ignore
  await expect(checkPairs(config, given(fromFloat32(new Float32Array(8), 'f32', [2, 4])))).rejects.toThrow('holds no whole numbers')
  await checkPairs(config, given(fromIntegers([0, 1, 2, 3, 3, 2, 1, 0], 'i32', [2, 4])))
})

it('refuses caches that turn keys back, whose frequencies would have to be those of each head', async () => {
  const opening = openSession(await sorted(), { cache: [streamingLlm({ window: 20, positions: 'compact' })] })
  await expect(opening).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('heads') })
})

it('is trained cut, and the order of its pairs stays', async () => {
  const model = await cutSorted(await sorted(), 0.5)
  const data = () => ({ input: someIds(), target: someIds() })
  const trained = await train(model, { objective: crossEntropy, transform: adam({ learningRate: 0.01 }), steps: 1, seed: 1, data })
  const bytes = async ({ params }: Model, name: string) => ((await params.read(name)) as Dense).bytes
  for (const name of model.params.names())
    expect([name, Buffer.compare(await bytes(model, name), await bytes(trained, name)) === 0]).toEqual([
      name,
      name.endsWith('rotary_pairs'),
    ])
})

it.each([NaN, 0, -1, 1.1])('refuses a share of %s', async share => {
  await expect(cutSorted(await sorted(), share)).rejects.toMatchObject({ code: 'BAD_OPTION', message: expect.stringMatching(/share of the units, got .*\n/) }) // prettier-ignore
})
