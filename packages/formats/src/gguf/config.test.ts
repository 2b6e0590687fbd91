import { failure } from '../files/failing-file-system.fixture.js'
import type { Json } from '../files/json-text.js'
import { configToMetadata } from './config.js'
import type { GgufValue, Metadata } from './header.js'
import { metadataToConfig } from './read-config.js'

const bare: Json = {
  model_type: 'llama',
  vocab_size: 6,
  hidden_size: 64,
  num_hidden_layers: 2,
  intermediate_size: 96,
  num_attention_heads: 4,
}
const numbers = (metadata: Metadata): Json => Object.fromEntries([...metadata].map(([key, { value }]) => [key, value]))
const with_ = (config: Json, more: readonly (readonly [string, GgufValue])[]): Metadata => new Map([...configToMetadata(config), ...more])
const u32 = (value: number): GgufValue => ({ type: 'u32', value })
const f32 = (value: number): GgufValue => ({ type: 'f32', value })
const text = (value: string): GgufValue => ({ type: 'string', value })
const listOf = (value: readonly number[]): GgufValue => ({ type: 'list', of: 'u32', value })

describe('keys of a config', () => {
  it.each<[Json, Json]>([
    [{}, { 'llama.attention.head_count_kv': 4, 'llama.attention.key_length': 16, 'llama.attention.layer_norm_rms_epsilon': 1e-6 }],
    [
      { head_dim: null, num_key_value_heads: null },
      { 'llama.attention.key_length': 16, 'llama.rope.freq_base': 10000 },
    ],
    [{ model_type: 'qwen3' }, { 'qwen3.attention.key_length': 128, 'qwen3.attention.value_length': 128, 'qwen3.context_length': 2048 }],
    [{ model_type: 'mistral' }, { 'llama.attention.sliding_window': 4096 }],
    [
      { model_type: 'mixtral', num_local_experts: 4 },
      { 'llama.expert_count': 4, 'llama.expert_used_count': 2, 'llama.rope.freq_base': 1e6 },
    ],
    [
      { model_type: 'qwen3_moe', num_experts: 8, moe_intermediate_size: 24, norm_topk_prob: true },
      { 'qwen3moe.expert_count': 8, 'qwen3moe.expert_feed_forward_length': 24, 'general.architecture': 'qwen3moe' },
    ],
  ])('means by %j what transformers does', (change, wanted) => {
    expect(numbers(configToMetadata({ ...bare, ...change }))).toMatchObject(wanted)
  })

  it.each<[string, Json, string]>([
    ['shares that are not scaled', { model_type: 'qwen3_moe', num_experts: 8 }, 'qwen3_moe with norm_topk_prob false'],
    ['shares that are', { model_type: 'qwen2_moe', num_experts: 8, norm_topk_prob: true }, 'qwen2_moe with norm_topk_prob true'],
    [
      'layers without experts between',
      { model_type: 'qwen3_moe', num_experts: 8, norm_topk_prob: true, mlp_only_layers: [1] },
      'layers without experts between layers that have some',
    ],
    [
      'every second layer with experts',
      { model_type: 'qwen3_moe', num_experts: 8, norm_topk_prob: true, decoder_sparse_step: 2 },
      'layers without experts between layers that have some',
    ],
  ])('refuses %s, which llama.cpp runs in another way', async (_, change, what) => {
    expect(await failure(() => configToMetadata({ ...bare, ...change }))).toBe(
      `UNSUPPORTED: No GGUF is written for ${what}.\nllama.cpp runs another network then: save it as a Hugging Face folder.`,
    )
  })

  it.each<[Json, string]>([
    [{ type: 'yarn', factor: 4, truncate: false }, 'YaRN whose bounds are not whole numbers ("truncate": false)'],
    [{ type: 'yarn', factor: 4, beta_fast: 16 }, 'YaRN with beta_fast 16 and beta_slow 1'],
    [{ type: 'longrope', short_factor: [1, 2], long_factor: [2, 2] }, 'longrope, whose factors change with the length of the text'],
  ])('refuses the scaling %j', async (scaling, what) => {
    expect(await failure(() => configToMetadata({ ...bare, rope_scaling: scaling }))).toBe(
      `UNSUPPORTED: No GGUF is written for ${what}.\nllama.cpp would compute other angles: use --format huggingface.`,
    )
    expect(await failure(() => configToMetadata({ ...bare, rope_scaling: { type: 'linear', factor: 'two' } }))).toBe(
      'BAD_OPTION: The factor of the rope scaling is "two"; expected a number above zero.\nPass the config.json of the model.',
    )
  })

  it('takes the name of an architecture with line breaks without breaking its error', async () => {
    const message = await failure(() => configToMetadata({ ...bare, model_type: 'a\nb\0c' }))
    expect(message.split('\n')).toHaveLength(2)
  })
})

describe('the config of keys', () => {
  const back = (config: Json): Json => metadataToConfig(configToMetadata(config), ['output.weight'])!

  it.each<[string, Json]>([
    ['yarn', { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 512, attention_factor: 0.5, beta_fast: 32, beta_slow: 1 }],
    ['linear', { rope_type: 'linear', factor: 2.5 }],
  ])('is what was written, with %s', (_, scaling) => {
    const read = back({ ...bare, rope_scaling: scaling }).rope_scaling as Json
    for (const [field, value] of Object.entries(scaling))
      expect(read[field]).toEqual(typeof value === 'number' ? expect.closeTo(value, 6) : value)
  })

  it('says the attention factor that llama.cpp takes, 0.1 ln 4 + 1, where YaRN stands without one', () => {
    const yarn = [...(['type', 'factor', 'original_context_length'] as const)].map(
      (key, i) => [`llama.rope.scaling.${key}`, [text('yarn'), f32(4), u32(512)][i]] as const,
    )
    const { rope_scaling: scaling } = metadataToConfig(with_(bare, yarn), [])!
    expect(scaling).toMatchObject({
      rope_type: 'yarn',
      factor: 4,
      original_max_position_embeddings: 512,
      attention_factor: 0.1 * Math.log(4) + 1,
    })
  })

  it('reads the older key of linear scaling', () => {
    expect(metadataToConfig(with_(bare, [['llama.rope.scale_linear', f32(4)]]), [])!.rope_scaling).toEqual({
      rope_type: 'linear',
      factor: 4,
    })
  })

  it('knows Mixtral and the Qwens with experts again', () => {
    const mixtral = back({ ...bare, model_type: 'mixtral', num_local_experts: 4, num_experts_per_tok: 3 })
    expect(mixtral).toMatchObject({
      model_type: 'mixtral',
      architectures: ['MixtralForCausalLM'],
      num_local_experts: 4,
      num_experts_per_tok: 3,
    })
    const qwen = { ...bare, model_type: 'qwen3_moe', num_experts: 8, moe_intermediate_size: 24, norm_topk_prob: true, head_dim: 16 }
    expect(back(qwen)).toMatchObject(qwen)
  })

  it('takes a list with an entry a layer where all are the same', () => {
    expect(metadataToConfig(with_(bare, [['llama.attention.head_count_kv', listOf([2, 2])]]), [])).toMatchObject({ num_key_value_heads: 2 })
  })

  const REMEDY = 'Tersor would run another network than llama.cpp does: run this file there.'
  it.each<[string, string, GgufValue, string]>([
    [
      'lists that differ',
      'llama.attention.head_count_kv',
      listOf([2, 4]),
      "The metadata's attention.head_count_kv differs from layer to layer.",
    ],
    ['lists of widths', 'llama.feed_forward_length', listOf([96, 48]), "The metadata's feed_forward_length differs from layer to layer."],
    [
      'a part of a head that is rotated',
      'llama.rope.dimension_count',
      u32(8),
      "The metadata's rope.dimension_count is 8, but a head has 16.",
    ],
    ['values of another size', 'llama.attention.value_length', u32(8), "The metadata's attention.value_length is 8, but a head has 16."],
    [
      'a setting that is not read',
      'llama.logit_scale',
      f32(0.5),
      'This llama model has the setting "logit_scale", which is not one that is read.',
    ],
    [
      'attention to both sides',
      'llama.attention.causal',
      { type: 'bool', value: false },
      'This llama model has the setting "attention.causal", which',
    ],
    ['names with line breaks', 'llama.a\nb', u32(1), 'This llama model has the setting "a\\nb", which is not one that is read.'],
  ])('refuses %s', async (_, key, value, error) => {
    const message = await failure(() => metadataToConfig(with_(bare, [[key, value]]), []))
    expect(message).toContain(`UNSUPPORTED: ${error}`)
    expect(message.split('\n')[1]).toBe(REMEDY)
  })

  it.each(['llama.attention.causal', 'llama.use_parallel_residual'])('takes %s where it changes nothing', key => {
    expect(metadataToConfig(with_(bare, [[key, { type: 'bool', value: key.endsWith('causal') }]]), [])).toMatchObject({
      model_type: 'llama',
    })
  })

  it.each<[string, GgufValue]>([
    ['longrope', text('longrope')],
    ['a kind to come\nwith a line break', text('a kind to come\nwith a line break')],
  ])('refuses the rope scaling %s', async (_, type) => {
    const message = await failure(() => metadataToConfig(with_(bare, [['llama.rope.scaling.type', type], ['llama.rope.scaling.factor', f32(2)]]), [])) // prettier-ignore
    expect(message).toMatch(/^UNSUPPORTED: The file scales its rotary angles by "/)
    expect(message.split('\n')).toHaveLength(2)
  })

  it.each<[string, GgufValue]>([
    ['yarn_beta_fast', f32(16)],
    ['yarn_ext_factor', f32(0.5)],
  ])('refuses YaRN with another %s', async (key, value) => {
    const yarn = with_({ ...bare, rope_scaling: { type: 'yarn', factor: 4 } }, [[`llama.rope.scaling.${key}`, value]])
    expect(await failure(() => metadataToConfig(yarn, []))).toMatch(
      /^UNSUPPORTED: The file scales .* by "yarn with settings of its own"\.\n/,
    )
  })

  it.each<[string, GgufValue, string]>([
    ['llama.block_count', text('two'), "BAD_FILE: The metadata's block_count is two, which is no number.\n"],
    [
      'llama.block_count',
      { type: 'u64', value: 2n ** 63n },
      "BAD_FILE: The metadata's block_count is 9223372036854775808, which is no number.",
    ],
    ['llama.attention.head_count', f32(NaN), "BAD_FILE: The metadata's attention.head_count is NaN, which is no number."],
    ['llama.rope.scaling.factor', text('x'), "BAD_FILE: The metadata's rope.scaling.factor is no number."],
    ['llama.attention.head_count', listOf([]), "BAD_FILE: The metadata's attention.head_count is undefined, which is no number."],
  ])('refuses %s of another type', async (key, value, error) => {
    expect(await failure(() => metadataToConfig(with_(bare, [[key, value]]), []))).toContain(error)
  })

  it('leaves out token ids that are no numbers', () => {
    expect(metadataToConfig(with_(bare, [['tokenizer.ggml.eos_token_id', { type: 'u64', value: 2n ** 63n }]]), [])).toMatchObject({
      eos_token_id: null,
    })
  })
})
