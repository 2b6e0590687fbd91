import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { affineOf, createRng, maskedOf } from '@tersor/core'
import { ggufSink, openGguf, TENSOR_TYPES, type BlockTypeName } from '@tersor/formats/gguf'
import { openHuggingFace } from '@tersor/formats/huggingface'
import { openImatrix, writeImatrix } from '@tersor/formats/imatrix'
import { openSafetensors } from '@tersor/formats/safetensors'
import { selectEngine } from '@tersor/kernels'
import { initLlama, llamaModel, parseLlamaConfig, picoLlama, type LanguageModel, type RawConfig } from '@tersor/models'
import { toFloat32, toInt32, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { DATA, missing } from './data.js'
import { anyTokenizer, withFolder, writeGguf } from './files.js'
import { loadInLlamaCpp } from './llama-cpp.js'
import { furthest, logSoftmax, ours, perplexity } from './perplexity.js'

/** llama.cpp keeps keys and values as halves, so log-probabilities differ in the third digit; more where a text is long. */
const TOLERANCE = 0.01
const PERPLEXITY_TOLERANCE = 0.01

before(async () => {
  const { engine } = await selectEngine()
  console.log(`  our forward pass runs on ${engine}`)
})

const within = (got: number, expected: number): void =>
  assert.ok(Math.abs(got / expected - 1) < PERPLEXITY_TOLERANCE, `perplexity ${got}, expected ${expected}`)

const SHAKESPEARE = 'lm/shakespeare-llama'
const TEXT = 'text/tinyshakespeare.txt'

test('a trained Llama gives its recorded logits and perplexity in llama.cpp', { skip: missing(SHAKESPEARE, TEXT) }, () =>
  withFolder(async folder => {
    const source = await openHuggingFace(join(DATA, SHAKESPEARE))
    const path = join(folder, 'model.gguf')
    await writeGguf(path, source.params, { config: source.config, files: source.files })
    await source.close()
    const reference = JSON.parse(readFileSync(join(DATA, SHAKESPEARE, 'reference.json'), 'utf8'))
    const runner = await loadInLlamaCpp(path, 128, 68)
    const text = readFileSync(join(DATA, TEXT), 'utf8')
    const { vocab } = JSON.parse(Buffer.from(source.files['tokenizer.json']).toString()).model
    const encode = (part: string): number[] => Array.from(part, character => vocab[character])

    const held = text.slice(Math.floor(0.9 * text.length))
    assert.deepEqual(runner.tokenize(held.slice(0, 1000)), encode(held.slice(0, 1000)), 'llama.cpp reads the tokenizer as we do')
    assert.equal(runner.detokenize(encode(held.slice(0, 200))), held.slice(0, 200))

    const rows = await runner.logProbabilities(encode(reference.greedy.prompt))
    const off = furthest([rows.at(-1)!], [logSoftmax(reference.last_position_logits_for_prompt)])
    assert.ok(off < TOLERANCE, `log-probabilities are off by ${off}`)

    const ids = encode(held)
    const windows = Array.from({ length: Math.floor((ids.length - 1) / 128) }, (_, i) => ids.slice(i * 128, i * 128 + 129))
    const theirs = await perplexity(runner.logProbabilities, windows)
    await runner.close()
    console.log(`  llama.cpp ${theirs.toFixed(4)}, recorded ${reference.validation.perplexity.toFixed(4)}`)
    within(theirs, reference.validation.perplexity)

    const file = await openGguf(path)
    const mine = await perplexity(await ours(llamaModel(file.config!, file.params)), windows.slice(0, 50))
    const again = await loadInLlamaCpp(path, 128, 68)
    within(await perplexity(again.logProbabilities, windows.slice(0, 50)), mine)
    await again.close()
    await file.close()
  }),
)

for (const name of ['llama', 'llama3-rope', 'llama-linear-rope', 'qwen2', 'qwen3', 'mixtral', 'qwen3-moe']) {
  const folderName = `picomodels/${name}`
  test(`${name}: llama.cpp gives the official logits`, { skip: missing(folderName) }, () =>
    withFolder(async folder => {
      const source = await openHuggingFace(join(DATA, folderName))
      const golden = await openSafetensors(join(DATA, folderName, 'golden.safetensors'))
      const ids = toInt32((await golden.read('input_ids')) as Dense)
      const logits = (await golden.read('logits')) as Dense
      const [batch, tokens, width] = logits.shape
      const path = join(folder, 'model.gguf')
      await writeGguf(path, source.params, { config: source.config, files: anyTokenizer(width) })
      const runner = await loadInLlamaCpp(path, 64, width)
      const values = toFloat32(logits)
      for (let b = 0; b < batch; b++) {
        const rows = await runner.logProbabilities([...ids.subarray(b * tokens, (b + 1) * tokens)])
        const expected = rows.map((_, i) => logSoftmax(values.subarray((b * tokens + i) * width, (b * tokens + i + 1) * width)))
        const off = furthest(rows, expected)
        assert.ok(off < TOLERANCE, `sequence ${b} is off by ${off}`)
      }
      await runner.close()
      await Promise.all([source.close(), golden.close()])

      const file = await openGguf(path)
      const rows = await (await ours(llamaModel(file.config!, file.params)))([...ids.subarray(0, tokens)])
      const expected = rows.map((_, i) => logSoftmax(values.subarray(i * width, (i + 1) * width)))
      const off = furthest(rows, expected)
      assert.ok(off < 1e-3, `what we read back is off by ${off}`)
      await file.close()
    }),
  )
}

const YARN = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32 }
const TURNED: Readonly<Record<string, RawConfig>> = {
  'a Llama': { rope_scaling: YARN },
  'a Llama whose attention is scaled otherwise': { rope_scaling: { ...YARN, attention_factor: 0.7 } },
  'a Qwen2': { model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'], rope_scaling: YARN },
  'a Qwen3': { model_type: 'qwen3', architectures: ['Qwen3ForCausalLM'], rope_scaling: YARN },
}

for (const [what, config] of Object.entries(TURNED))
  test(`${what} with YaRN: llama.cpp gives our logits far beyond the first context, and from a GGUF of its GGUF too`, () =>
    withFolder(async folder => {
      const [tokens, width] = [112, 160]
      const shape = { vocabulary: width, context: 128, seed: 4, hidden: 64 }
      const model = picoLlama({ ...shape, config })
      const files = anyTokenizer(width)
      const [first, second] = [join(folder, 'first.gguf'), join(folder, 'second.gguf')]
      await writeGguf(first, model.params, { config: model.rawConfig, files })
      const read = await openGguf(first)
      await writeGguf(second, read.params, { config: read.config!, files: read.files, carried: read.metadata })
      const rng = createRng(5)
      const ids = Array.from({ length: tokens }, () => rng.integer(width))
      const expected = await (await ours(model))(ids)
      const plain = picoLlama({ ...shape, config: { ...config, rope_scaling: null } })
      assert.ok(furthest(expected, await (await ours(plain))(ids)) > 0.1, 'the scaling shows')
      for (const path of [first, second]) {
        const runner = await loadInLlamaCpp(path, 128, width)
        const off = furthest(await runner.logProbabilities(ids), expected)
        await runner.close()
        console.log(`  off by ${off.toFixed(4)}`)
        assert.ok(off < 3 * TOLERANCE, `log-probabilities are off by ${off}`)
      }
      assert.ok(furthest(await (await ours(llamaModel(read.config!, read.params)))(ids), expected) < 1e-3, 'what we read back')
      await read.close()
    }))

const SLIDING = 'picomodels/mistral-sliding'
test('mistral-sliding: llama.cpp gives the official logits as far as the window reaches, and no further', { skip: missing(SLIDING) }, () =>
  withFolder(async folder => {
    const source = await openHuggingFace(join(DATA, SLIDING))
    const golden = await openSafetensors(join(DATA, SLIDING, 'golden.safetensors'))
    const ids = toInt32((await golden.read('input_ids')) as Dense)
    const logits = (await golden.read('logits')) as Dense
    const [, tokens, width] = logits.shape
    const values = toFloat32(logits)
    const path = join(folder, 'model.gguf')
    const sink = ggufSink(path, { config: source.config, files: anyTokenizer(width) })
    for (const name of source.params.names()) await sink.write(name, await source.params.read(name))
    const store = await sink.finish()
    assert.ok(
      store.notes.some(note => /window/.test(note)),
      `the notes are ${JSON.stringify(store.notes)}`,
    )
    await store.close?.()
    const runner = await loadInLlamaCpp(path, 64, width)
    const rows = await runner.logProbabilities([...ids.subarray(0, tokens)])
    await runner.close()
    const window = source.config.sliding_window as number
    const offAt = (position: number): number => furthest([rows[position]], [logSoftmax(values.subarray(position * width, (position + 1) * width))]) // prettier-ignore
    for (let position = 0; position < window; position++) assert.ok(offAt(position) < TOLERANCE, `${position} is off by ${offAt(position)}`)
    assert.ok(offAt(tokens - 1) > 0.1, 'llama.cpp ignores the window')
    await Promise.all([source.close(), golden.close()])
  }),
)

/** Random weights that say little, so that the rounding of activations inside llama.cpp is not blown up. */
const wideLlama = (vocabulary: number, config: RawConfig = {}): LanguageModel => {
  const shape = { hidden: 256, feedForward: 512, layers: 2, heads: 8, keyValueHeads: 4, vocabulary, context: 128 }
  const { rawConfig } = picoLlama({ ...shape, config })
  return llamaModel(rawConfig, initLlama(parseLlamaConfig(rawConfig), createRng(8), { deviation: 0.05 }))
}

const EXPERTS: Readonly<Record<string, RawConfig>> = {
  Mixtral: { model_type: 'mixtral', architectures: ['MixtralForCausalLM'], num_local_experts: 4, num_experts_per_tok: 2 },
  'Qwen3-MoE': {
    model_type: 'qwen3_moe',
    architectures: ['Qwen3MoeForCausalLM'],
    num_experts: 6,
    num_experts_per_tok: 2,
    moe_intermediate_size: 256,
    norm_topk_prob: true,
    head_dim: 32,
  },
}

for (const [name, config] of Object.entries(EXPERTS))
  for (const rounding of [{ type: 'q8_0' }, { type: 'q4_k' }, { mixture: 'Q4_K_M' }] as const)
    test(`a ${name} 256 wide quantized by ${JSON.stringify(rounding)} loads with our perplexity`, () =>
      withFolder(async folder => {
        const vocabulary = 320
        const model = wideLlama(vocabulary, config)
        const path = join(folder, 'model.gguf')
        const report = await writeGguf(path, model.params, { config: model.rawConfig, files: anyTokenizer(vocabulary), ...rounding })
        const experts = report.filter(entry => /experts/.test(entry.name))
        assert.ok(experts.length > 0 && experts.every(({ type }) => type.startsWith('q')), JSON.stringify(experts))
        const rng = createRng(5)
        const windows = Array.from({ length: 3 }, () => Array.from({ length: 97 }, () => rng.integer(vocabulary)))
        const runner = await loadInLlamaCpp(path, 128, vocabulary)
        const theirs = await perplexity(runner.logProbabilities, windows)
        await runner.close()
        const file = await openGguf(path)
        const mine = await perplexity(await ours(llamaModel(file.config!, file.params)), windows)
        await file.close()
        console.log(`  llama.cpp ${theirs.toFixed(4)}, ours ${mine.toFixed(4)}`)
        within(theirs, mine)
      }))

/** Round-to-nearest on a symmetric grid in groups of 32. */
const rounded = (weight: Dense, bits: number): Encoded => {
  const values = toFloat32(weight)
  const middle = 2 ** (bits - 1)
  const codes = new Uint8Array(values.length)
  const scales = new Float32Array(values.length / 32)
  for (let g = 0; g < scales.length; g++) {
    const group = values.subarray(g * 32, (g + 1) * 32)
    scales[g] = Math.ceil((group.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / (middle - 1)) * 1024) / 1024
    group.forEach((value, i) => (codes[g * 32 + i] = Math.round(value / (scales[g] || 1)) + middle))
  }
  return affineOf({ shape: weight.shape, bits, group: 32, codes, scales })
}

for (const [type, bits, sparse] of [
  ['q4_0', 4, false],
  ['q4_0', 4, true],
  ['q8_0', 8, false],
] as const)
  test(`a Llama 256 wide with ${sparse ? 'masked ' : ''}${bits}-bit trees loads as ${type} with our perplexity`, () =>
    withFolder(async folder => {
      const vocabulary = 320
      const model = wideLlama(vocabulary)
      const isMatrix = (name: string): boolean => /_proj\.weight$/.test(name)
      const compress = (name: string, parameter: Parameter): Parameter => {
        if (!isMatrix(name)) return parameter
        const tree = rounded(parameter as Dense, bits)
        return sparse
          ? maskedOf(
              Array.from({ length: parameter.shape[0] * parameter.shape[1] }, (_, i) => (i % 4 < 2 ? 1 : 0)),
              tree,
            )
          : tree
      }
      const path = join(folder, 'model.gguf')
      const report = await writeGguf(path, model.params, { config: model.rawConfig, files: anyTokenizer(vocabulary) }, compress)
      assert.ok(report.filter(({ name }) => isMatrix(name)).every(entry => entry.type === type && entry.lossless))
      const rng = createRng(5)
      const windows = Array.from({ length: 4 }, () => Array.from({ length: 97 }, () => rng.integer(vocabulary)))
      const runner = await loadInLlamaCpp(path, 128, vocabulary)
      const theirs = await perplexity(runner.logProbabilities, windows)
      await runner.close()
      const file = await openGguf(path)
      const mine = await perplexity(await ours(llamaModel(file.config!, file.params)), windows)
      await file.close()
      console.log(`  llama.cpp ${theirs.toFixed(4)}, ours ${mine.toFixed(4)}`)
      within(theirs, mine)
    }))

const BLOCK_TYPES = Object.keys(TENSOR_TYPES).filter((name): name is BlockTypeName => 'format' in TENSOR_TYPES[name as BlockTypeName])

for (const type of BLOCK_TYPES)
  test(`a Llama 256 wide quantized to ${type} with importance loads with our perplexity`, () =>
    withFolder(async folder => {
      const vocabulary = 320
      const model = wideLlama(vocabulary)
      const rng = createRng(6)
      const imatrix = {
        entries: new Map(
          [0, 1].map(layer => [
            `blk.${layer}.attn_q.weight`,
            { sums: Float32Array.from({ length: 256 }, () => rng.normal() ** 2), calls: [1] },
          ]),
        ),
        chunks: 1,
        datasets: [],
      }
      // By way of a file, as users have it.
      await writeImatrix(join(folder, 'imatrix.gguf'), imatrix)
      const path = join(folder, 'model.gguf')
      const report = await writeGguf(path, model.params, {
        config: model.rawConfig,
        files: anyTokenizer(vocabulary),
        type,
        imatrix: await openImatrix(join(folder, 'imatrix.gguf')),
      })
      assert.ok(report.every(entry => entry.type === type || (entry.type === 'f32' && /norm/.test(entry.name))))
      const windows = Array.from({ length: 2 }, () => Array.from({ length: 97 }, () => rng.integer(vocabulary)))
      const runner = await loadInLlamaCpp(path, 128, vocabulary)
      const theirs = await perplexity(runner.logProbabilities, windows)
      await runner.close()
      const file = await openGguf(path)
      const mine = await perplexity(await ours(llamaModel(file.config!, file.params)), windows)
      await file.close()
      console.log(`  ${type}: llama.cpp ${theirs.toFixed(4)}, ours ${mine.toFixed(4)}`)
      within(theirs, mine)
    }))
