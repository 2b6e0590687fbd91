import { createRng } from '@tersor/core'
import { fromFloat32, type Dense } from '@tersor/tensor'
import { copyFile, mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** TinyLlama's shape: 1.1 billion weights, 2.2 GB of bf16. */
export const CONFIG = {
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  vocab_size: 32000,
  hidden_size: 2048,
  intermediate_size: 5632,
  num_hidden_layers: 22,
  num_attention_heads: 32,
  num_key_value_heads: 4,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
} as const

/** Llama 2's of 7 billion weights: 13.5 GB of bf16. */
export const SEVEN_BILLION = { hidden_size: 4096, intermediate_size: 11008, num_hidden_layers: 32, num_key_value_heads: 32 } as const

/** Values that tensors are cut from: drawing every one by itself would take longer than compressing them. */
const TABLE = 2 ** 22
const DEVIATION = 0.02

interface Planned {
  readonly name: string
  readonly shape: readonly number[]
}

type Config = { readonly [K in keyof typeof CONFIG]: (typeof CONFIG)[K] extends number ? number : (typeof CONFIG)[K] }

const planOf = (config: Config): readonly Planned[] => {
  const { vocab_size: vocabulary, hidden_size: hidden, intermediate_size: wide } = config
  const keys = (hidden / config.num_attention_heads) * config.num_key_value_heads
  const blocks = Array.from({ length: config.num_hidden_layers }, (_, layer) =>
    Object.entries({
      input_layernorm: [hidden],
      'self_attn.q_proj': [hidden, hidden],
      'self_attn.k_proj': [keys, hidden],
      'self_attn.v_proj': [keys, hidden],
      'self_attn.o_proj': [hidden, hidden],
      post_attention_layernorm: [hidden],
      'mlp.gate_proj': [wide, hidden],
      'mlp.up_proj': [wide, hidden],
      'mlp.down_proj': [hidden, wide],
    }).map(([name, shape]) => ({ name: `model.layers.${layer}.${name}.weight`, shape })),
  )
  return [
    { name: 'model.embed_tokens.weight', shape: [vocabulary, hidden] },
    ...blocks.flat(),
    { name: 'model.norm.weight', shape: [hidden] },
    { name: 'lm_head.weight', shape: [vocabulary, hidden] },
  ]
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1)

/** Length and JSON, padded to a multiple of eight. */
const headerOf = (plan: readonly Planned[]): Buffer => {
  let at = 0
  const entries = plan.map(({ name, shape }) => {
    const from = at
    at += 2 * sizeOf(shape)
    return [name, { dtype: 'BF16', shape, data_offsets: [from, at] }] as const
  })
  const text = JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) })
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json])
}

/** Writes a folder with a Llama of random weights, in TinyLlama's shape but for what `other` says, chunk by chunk, and gives the bytes of its weights. */
export const writeCheckpoint = async (folder: string, tokenizerOf: string, other: Partial<Config> = {}): Promise<number> => {
  const config: Config = { ...CONFIG, ...other }
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) await copyFile(join(tokenizerOf, name), join(folder, name))
  const rng = createRng(1)
  const values = Float32Array.from({ length: TABLE }, () => rng.normal() * DEVIATION)
  const table = (fromFloat32(values, 'bf16', [TABLE]) as Dense).bytes
  const ones = (shape: readonly number[]) => (fromFloat32(new Float32Array(sizeOf(shape)).fill(1), 'bf16', shape) as Dense).bytes
  const plan = planOf(config)
  const file = await open(join(folder, 'model.safetensors'), 'w')
  try {
    await file.write(headerOf(plan))
    for (const { shape } of plan) {
      if (shape.length === 1) await file.write(ones(shape))
      for (let left = shape.length === 1 ? 0 : 2 * sizeOf(shape); left > 0;) {
        const start = 2 * rng.integer(TABLE / 2)
        const part = table.subarray(start, Math.min(table.length, start + left))
        await file.write(part)
        left -= part.length
      }
    }
    await file.sync()
  } finally {
    await file.close()
  }
  return plan.reduce((sum, { shape }) => sum + 2 * sizeOf(shape), 0)
}

/** The first characters of a text: a few calibration tokens are enough to measure time and memory. */
export const writeText = async (from: string, to: string, characters: number): Promise<void> =>
  writeFile(to, (await readFile(from, 'utf8')).slice(0, characters))
