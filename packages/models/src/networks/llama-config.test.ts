import { parseLlamaConfig } from './llama-config.js'
import { picoLlama } from './pico-llama.js'
import { frequenciesOf } from './rope.js'

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

  it('carries dynamic scaling on to its factor of the positions that are said, which stay said', () => {
    const long = picoLlama({ config: { rope_scaling: { type: 'dynamic', factor: 2.5 }, max_position_embeddings: 33 } })
    expect([long.contextLength, long.completeConfig?.max_position_embeddings]).toEqual([82, 33])
    expect(picoLlama({ config: { rope_scaling: { type: 'linear', factor: 4 }, max_position_embeddings: 33 } }).contextLength).toBe(33)
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
    [{ rope_scaling: { type: 'longrope' } }, badField('"short_factor" is missing; expected a list of numbers above zero')],
    [{ rope_scaling: { type: 'dynamic' } }, badField('"factor" is missing; expected a number above zero')],
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
})
