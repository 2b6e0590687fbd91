import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress } from '@tersor/core'
import { gptq, rtn } from '@tersor/quantization'
import { picoLlama } from './pico-llama.js'
import { frequenciesOf, parseRope, rotations, type Rope } from './rope.js'

beforeAll(() => tf.setBackend('cpu'))

const DEFAULTS = { theta: 1e4, contextLength: 128 }
const original = { original_max_position_embeddings: 32 }
const longrope = parseRope({ type: 'longrope', short_factor: [1, 1, 2, 2], long_factor: [1, 2, 4, 8], ...original }, DEFAULTS)
const dynamic = parseRope({ type: 'dynamic', factor: 2 }, DEFAULTS)

/** Radians that a position turns each pair by, and the factor of cosines, from the rotation of the last of `length` positions. */
const turnsAt = async (rope: Rope, size: number, length: number, position = 1) => {
  const { cos, sin } = rotations(rope, size)(0, length)
  const of = async (table: tf.Tensor) => [...(await table.data())].slice((position * size) / 2, ((position + 1) * size) / 2)
  const [c, s] = [await of(cos), await of(sin)]
  tf.dispose([cos, sin])
  return { turns: c.map((x, i) => Math.atan2(s[i], x)), attention: Math.hypot(c[0], s[0]) }
}
const YARN = [
  1.0, 0.3162277638912201, 0.10000000149011612, 0.025693506002426147, 0.00624999962747097, 0.0013834965648129582, 0.0002500000118743628,
  7.905694656074047e-5,
]
const close = (got: readonly number[], expected: readonly number[]) =>
  got.forEach((value, i) => expect(Math.abs(value / expected[i] - 1)).toBeLessThan(1e-4))

// Numbers of transformers 5.18, modeling_rope_utils.
it('blends the frequencies of YaRN between kept and slowed ones, and sharpens scores', async () => {
  const rope = parseRope({ rope_type: 'yarn', factor: 4, original_max_position_embeddings: 4096 }, { theta: 1e4, contextLength: 16384 })
  const { turns, attention } = await turnsAt(rope, 16, 4)
  close(turns, YARN)
  expect(attention).toBeCloseTo(1.138629436, 5)
  const scaled = parseRope({ rope_type: 'yarn', factor: 4, mscale: 1, mscale_all_dim: 0.5, ...original }, DEFAULTS)
  expect(scaled.scaling).toMatchObject({ attention: expect.closeTo(1.0648216, 6), fastTurns: 32, slowTurns: 1 })
})

it('grows the base of dynamic scaling with the text, beyond the context of the network', async () => {
  close((await turnsAt(dynamic, 8, 100)).turns, [1, 0.1, 0.01, 0.001])
  close((await turnsAt(dynamic, 8, 256)).turns, [1, 0.06933612, 0.0048074983, 0.00033333333])
})

it('takes the long divisors of LongRoPE beyond the original context', async () => {
  close((await turnsAt(longrope, 8, 32)).turns, [1, 0.1, 0.005, 0.0005])
  const long = await turnsAt(longrope, 8, 33)
  close(long.turns, [1, 0.05, 0.0025, 0.000125])
  expect(long.attention).toBeCloseTo(1.1832159, 5)
  const named = { short_factor: [1], long_factor: [1] }
  expect(parseRope({ type: 'su', ...named }, { ...DEFAULTS, originalContext: 64 }).scaling).toMatchObject({
    ...{ type: 'longrope', originalContext: 64 },
    attention: expect.closeTo(Math.sqrt(1 + Math.log(2) / Math.log(64)), 9),
  })
})

it.each([dynamic, longrope, parseRope({ type: 'yarn', factor: 4, ...original }, DEFAULTS)])(
  'turns given positions as it turns those it counts: %#',
  async rope => {
    for (const length of [20, 200]) {
      const [counted, given] = tf.tidy(() => {
        const rotation = rotations(rope, 8)
        const [a, b] = [rotation(0, length), rotation(0, length, tf.range(0, length, 1, 'int32'))]
        return [tf.concat([a.cos, a.sin]), tf.concat([b.cos, b.sin])]
      })
      const [x, y] = [await counted.data(), await given.data()]
      expect(x.filter((value, i) => !(Math.abs(value - y[i]) < 1e-4))).toHaveLength(0)
      tf.dispose([counted, given])
    }
  },
)

it.each([
  [{ type: 'mrope' }, '"mrope"'],
  [{ full_attention: { rope_theta: 1e6 } }, '"one for each kind of layer"'],
  [{ partial_rotary_factor: 0.75 }, '"partial_rotary_factor 0.75"'],
])('refuses %j by its name when it is to run, and lets it be rounded without', async (rope_scaling, name) => {
  const model = picoLlama({ vocabulary: 20, config: { rope_scaling } })
  const small = await compress(model, rtn({ bits: 8, granularity: 'row' }))
  expect((await small.params.read('model.layers.0.mlp.up_proj.weight')).kind).toBe('encoded')
  const calibration = [tf.tensor2d([[1, 2, 3]], [1, 3], 'int32')]
  await expect(compress(model, gptq({ bits: 4 }), { calibration })).rejects.toThrow(
    `The rotary scaling "${name.slice(1, -1)}" is not one this package runs.\nKnown are default, linear, llama3, yarn, dynamic, longrope, su.`,
  )
  tf.dispose(calibration)
})

it('refuses what is more than frequencies where a format has a place for these alone', () => {
  expect(() => frequenciesOf(dynamic, 8)).toThrow(
    'The rotary scaling "dynamic" is more than frequencies, which is all that this format has a place for.',
  )
  expect(() => rotations(longrope, 16)(0, 2)).toThrow('The rotary scaling longrope has 4 factors for 8 pairs.')
})
