import { parseLlamaConfig } from './llama-config.js'
import { picoLlama } from './pico-llama.js'
import { frequenciesOf, rotations, type Rope } from './rope.js'
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'

const { rawConfig } = picoLlama()
const { rope_theta: _theta, ...without } = rawConfig

const refusal = (change: Record<string, unknown>) => {
  try {
    parseLlamaConfig({ ...rawConfig, ...change })
  } catch (error) {
    const { code, message } = error as { code: string; message: string }
    return [code, message]
  }
  return []
}

const badField = (text: string) => ['BAD_FILE', `The config's ${text}.\nTake the config that was saved with these weights.`]

describe('parseLlamaConfig', () => {
  it('reads the same from transformers 4 and 5', () => {
    const scaled = { factor: 8, high_freq_factor: 4, low_freq_factor: 1, original_max_position_embeddings: 32, rope_type: 'llama3' }
    const four = parseLlamaConfig({ ...rawConfig, rope_theta: 5e5, rope_scaling: scaled, torch_dtype: 'bfloat16' })
    const five = parseLlamaConfig({ ...without, rope_parameters: { ...scaled, rope_theta: 5e5 }, dtype: 'bfloat16' })
    expect(five).toEqual(four)
    expect(four.rope).toEqual({
      theta: 5e5,
      scaling: { type: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 32 },
    })
  })

  it('reads the older name of the kind of scaling', () => {
    expect(parseLlamaConfig({ ...rawConfig, rope_scaling: { type: 'linear', factor: 4 } }).rope.scaling).toEqual({
      type: 'linear',
      factor: 4,
    })
  })

  it('fills in what each architecture leaves out', () => {
    const { head_dim: _size, ...bare } = without as Record<string, unknown>
    expect(parseLlamaConfig({ ...bare, model_type: 'qwen3' })).toMatchObject({ headSize: 128, queryKeyNorm: true, windows: [null, null] })
    expect(parseLlamaConfig({ ...bare, model_type: 'qwen2' }).biases).toEqual({ queryKeyValue: true, output: false, feedForward: false })
    expect(parseLlamaConfig({ ...bare, model_type: 'mistral' }).windows).toEqual([4096, 4096])
    expect(parseLlamaConfig({ ...bare, model_type: 'mistral', sliding_window: null }).windows).toEqual([null, null])
    expect(parseLlamaConfig({ ...bare, model_type: 'smollm3', num_hidden_layers: 4 }).rotated).toEqual([true, true, true, false])
    expect(parseLlamaConfig({ ...bare, eos_token_id: [2, 7], bos_token_id: 1 })).toMatchObject({ bos: 1, eos: [2, 7], headSize: 8 })
  })

  it('lets Qwen slide only where its layers say so', () => {
    const sliding = { ...rawConfig, model_type: 'qwen2', use_sliding_window: true, sliding_window: 9 }
    expect(parseLlamaConfig({ ...sliding, layer_types: ['sliding_attention', 'full_attention'] }).windows).toEqual([9, null])
    expect(parseLlamaConfig({ ...sliding, max_window_layers: 1 }).windows).toEqual([null, 9])
  })

  it.each([
    [{ model_type: undefined }, badField('"model_type" is missing; expected the name of an architecture')],
    [{ hidden_size: undefined }, badField('"hidden_size" is missing; expected a whole number from 1 to 16777216')],
    [{ hidden_size: 1e12 }, badField('"hidden_size" is 1000000000000; expected a whole number from 1 to 16777216')],
    [{ num_hidden_layers: -1 }, badField('"num_hidden_layers" is -1; expected a whole number from 1 to 10000')],
    [{ vocab_size: 'many' }, badField('"vocab_size" is "many"; expected a whole number from 1 to 16777216')],
    [{ num_key_value_heads: 3 }, badField('"num_key_value_heads" is 3; expected a divisor of the 4 attention heads')],
    [{ head_dim: 7 }, badField('"head_dim" is 7; expected an even number, since halves are rotated')],
    [{ rms_norm_eps: 0 }, badField('"rms_norm_eps" is 0; expected a number above zero')],
    [{ mlp_bias: 1 }, badField('"mlp_bias" is 1; expected true or false')],
    [{ rope_scaling: 'linear' }, badField('"rope_scaling" is "linear"; expected an object')],
    [{ rope_scaling: { type: 'linear' } }, badField('"factor" is missing; expected a number above zero')],
    [
      { rope_parameters: { partial_rotary_factor: 0.5 } },
      badField('"partial_rotary_factor" is 0.5; expected 1: this family rotates whole heads'),
    ],
    [{ partial_rotary_factor: 0.75 }, badField('"partial_rotary_factor" is 0.75; expected 1: this family rotates whole heads')],
    [{ rope_scaling: { type: 'dynamic' } }, badField('"factor" is missing; expected a number above zero')],
    [
      { rope_scaling: { type: 'longrope', short_factor: [1, -1], long_factor: [1] } },
      badField('"short_factor" is [1,-1]; expected a list of numbers above zero, one for each pair'),
    ],
    [{ eos_token_id: -2 }, badField('"eos_token_id" is -2; expected a token id or a list of them')],
    [
      { model_type: 'qwen2', use_sliding_window: true, sliding_window: 4, layer_types: [] },
      badField('"layer_types" is []; expected a list of 2, one entry a layer'),
    ],
    [
      { model_type: 'rwkv' },
      [
        'UNSUPPORTED',
        'The architecture "rwkv" is not one this package runs.\nKnown are llama, mistral, mixtral, qwen2, qwen3, qwen3_moe, phi3, gemma2, smollm3.',
      ],
    ],
    [
      { hidden_act: 'swish2' },
      ['UNSUPPORTED', 'The activation "swish2" is not one this package runs.\nKnown are silu, gelu, gelu_new, gelu_pytorch_tanh, relu.'],
    ],
    [
      { rope_parameters: { full_attention: { rope_theta: 1e6 } } },
      [
        'UNSUPPORTED',
        'The rotary scaling "one for each kind of layer" is not one this package runs.\nKnown are default, linear, llama3, yarn, dynamic, longrope, su.',
      ],
    ],
    [
      { rope_scaling: { rope_type: 'proportional' } },
      [
        'UNSUPPORTED',
        'The rotary scaling "proportional" is not one this package runs.\nKnown are default, linear, llama3, yarn, dynamic, longrope, su.',
      ],
    ],
  ])('refuses %j', (change, expected) => expect(refusal(change)).toEqual(expected))
})

describe('frequenciesOf', () => {
  it('turns the first pair by one radian a position and slows the others', () => {
    expect([...frequenciesOf({ theta: 10000, scaling: { type: 'default' } }, 4)]).toEqual([1, Math.fround(0.01)])
    expect([...frequenciesOf({ theta: 10000, scaling: { type: 'linear', factor: 4 } }, 4)]).toEqual([0.25, Math.fround(0.0025)])
  })

  it('stretches only the low frequencies the way Llama 3 does', () => {
    const scaling = { type: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 32 } as const
    const [high, , low] = frequenciesOf({ theta: 1e4, scaling }, 6)
    expect(high).toBe(1) // 32 / 2π = 5.09 turns, above 4
    expect(low).toBeCloseTo(1e4 ** (-4 / 6) / 8, 9)
  })

  // What transformers 5.18 computes for a head of 16, θ = 10000 and a context of 128.
  const of = (scaling: object, length?: number) =>
    frequenciesOf(parseLlamaConfig({ ...rawConfig, max_position_embeddings: 128, rope_theta: 1e4, rope_scaling: scaling }).rope, 16, length)
  const close = (wanted: readonly number[]) => wanted.map(value => expect.closeTo(value, 7) as number)
  const short = [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7]
  const longrope = { type: 'longrope', short_factor: short, long_factor: [2, 3, 4, 5, 6, 7, 8, 9], original_max_position_embeddings: 32 }
  it.each<[string, object, number, readonly number[]]>([
    [
      'yarn',
      { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32 },
      0,
      [1, 0.19764235615730286, 0.02500000037252903, 0.007905694656074047, 0.0024999999441206455],
    ],
    [
      'yarn between whole pairs',
      { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32, truncate: false, beta_fast: 16 },
      0,
      [1, 0.14849025011062622, 0.02500000037252903],
    ],
    ['dynamic within the context', { type: 'dynamic', factor: 2 }, 128, [1, 0.31622776, 0.1]],
    ['dynamic beyond it', { type: 'dynamic', factor: 2 }, 200, [1, 0.28394514322280884, 0.08062484115362167]],
    ['longrope within the original context', longrope, 32, [1, 0.28747978728803447, 0.08333333333]],
    ['longrope beyond it', longrope, 33, [0.5, 0.10540924966335297, 0.02500000037252903]],
  ])('stretches as %s does', (_, scaling, length, wanted) => {
    expect([...of(scaling, length).subarray(0, wanted.length)]).toEqual(close(wanted))
  })

  it('refuses factors that are not one for each pair', () => {
    expect(() => of({ ...longrope, short_factor: [1, 2] })).toThrow('The config\'s "short_factor" is [1,2]; expected a list of 8 numbers')
  })
})

describe('rotations', () => {
  const rope = (scaling: object, context = 128) =>
    parseLlamaConfig({ ...rawConfig, max_position_embeddings: context, rope_theta: 1e4, rope_scaling: scaling }).rope
  const yarn = rope({ rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32 })
  const longrope = rope({ type: 'longrope', short_factor: [1, 1], long_factor: [2, 4], original_max_position_embeddings: 32 })

  it.each<[string, Rope, number]>([
    ['yarn', yarn, 1.138629436111989],
    [
      'yarn by two scales',
      rope({ type: 'yarn', factor: 4, original_max_position_embeddings: 32, mscale: 1, mscale_all_dim: 0.8 }),
      1.0249579607969668,
    ],
    ['longrope', longrope, 1.1832159566199232],
    ['a factor that is given', rope({ type: 'yarn', factor: 4, attention_factor: 0.5 }), 0.5],
    ['dynamic', rope({ type: 'dynamic', factor: 4 }), 1],
  ])('lengthens cosines and sines by what %s says', async (_, given, factor) => {
    const { cos, sin } = rotations(given, 4)(0, 2)
    const [cosines, sines] = [await cos.data(), await sin.data()]
    expect(cosines[0]).toBeCloseTo(factor, 6)
    expect(Math.hypot(cosines[3], sines[3])).toBeCloseTo(factor, 6)
  })

  it.each([
    ['yarn', yarn],
    ['longrope', longrope],
    ['dynamic', rope({ type: 'dynamic', factor: 4 })],
  ] as const)('gives the same for a position in a tensor as on the host, with %s', async (_, given) => {
    for (const position of [0, 31, 32, 100]) {
      const onHost = rotations(given, 4)(position, 1)
      const inGraph = rotations(given, 4)(0, 1, tf.tensor1d([position], 'int32'))
      for (const part of ['cos', 'sin'] as const)
        expect([...(await inGraph[part].data())]).toEqual([...(await onHost[part].data())].map(value => expect.closeTo(value, 5) as number))
    }
  })
})
