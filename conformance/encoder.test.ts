import { AutoTokenizer, env, pipeline as task } from '@huggingface/transformers'
import * as tf from '@tensorflow/tfjs-core'
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { before, test } from 'node:test'
import { forward, loadModel } from '@tersor/core'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { selectEngine } from '@tersor/kernels'
import { openModel, type LanguageModel, type TextEncoder as Encoder } from '@tersor/models'
import { main } from 'tersor'
import { tinyBert } from '../packages/models/src/networks/tiny-bert.fixture.js'
import { withFolder } from './files.js'

const BUNDLED = join(import.meta.dirname, '../examples/bundled-model/model')
/** Of different lengths, so that one is padded. */
const TEXTS = ['the old man looked at the sea', 'she saw the sea']

before(async () => {
  const { engine } = await selectEngine()
  console.log(`  our forward pass runs on ${engine}`)
})

const encode = (json: object): Uint8Array => new TextEncoder().encode(JSON.stringify(json))

const SPECIALS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
const VOCABULARY = [...SPECIALS, 'the', 'old', 'man', 'look', '##ed', 'at', 'sea', 'she', 'saw']

/** A tokenizer of word pieces as BERT has it. */
const wordPieces = (): Readonly<Record<string, Uint8Array>> => {
  const vocab = Object.fromEntries(VOCABULARY.map((token, id) => [token, id]))
  const special = (content: string, id: number) => ({ id, content, special: true, normalized: false, lstrip: false, rstrip: false, single_word: false }) // prettier-ignore
  const around = (id: 'A' | 'B', type_id: number) => [{ Sequence: { id, type_id } }, { SpecialToken: { id: '[SEP]', type_id } }]
  const begin = { SpecialToken: { id: '[CLS]', type_id: 0 } }
  return {
    'tokenizer.json': encode({
      version: '1.0',
      added_tokens: SPECIALS.map(special),
      normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: {
        type: 'TemplateProcessing',
        single: [begin, ...around('A', 0)],
        pair: [begin, ...around('A', 0), ...around('B', 1)],
        special_tokens: Object.fromEntries(['[CLS]', '[SEP]'].map(token => [token, { id: token, ids: [vocab[token]], tokens: [token] }])),
      },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab },
    }),
    'tokenizer_config.json': encode({
      ...{ tokenizer_class: 'BertTokenizer', model_max_length: 16, clean_up_tokenization_spaces: true },
      ...{ pad_token: '[PAD]', unk_token: '[UNK]', cls_token: '[CLS]', sep_token: '[SEP]', mask_token: '[MASK]' },
    }),
  }
}

const tersor = async (...argv: readonly string[]): Promise<void> => {
  const [out, err] = [new PassThrough(), new PassThrough()]
  assert.equal(await main([...argv, '--quiet'], { out, err }), 0, String(err.read()))
}

const DTYPES = [
  { dtype: 'fp32', step: [] },
  { dtype: 'q4', step: ['--step', 'rtn(bits=4, group=32)'] },
  { dtype: 'q8', step: ['--step', 'rtn(bits=8, group=32)'] },
] as const

/** Saves a model and writes it for transformers.js as a user does; the model as our own folder holds it. */
const place = async (folder: string, { params, rawConfig: config, files }: Encoder, step: readonly string[]): Promise<Encoder> => {
  const source = join(folder, 'source')
  const sink = huggingFaceSink(source, { config, ...(files ? { files } : {}) })
  for (const name of params.names()) await sink.write(name, await params.read(name))
  await (await sink.finish()).close?.()
  for (const [out, format] of [
    ['own', 'huggingface'],
    ['web', 'onnx'],
  ])
    // prettier-ignore
    await tersor(step.length > 0 ? 'compress' : 'convert', source, ...step, '--out', join(folder, out), '--format', format)
  Object.assign(env, { allowRemoteModels: false, localModelPath: folder })
  return (await openModel(join(folder, 'own'))) as Encoder
}

interface Encoded {
  readonly dims: readonly number[]
  readonly data: BigInt64Array
}

/** Our own forward pass on the ids of transformers.js, and which tokens are no padding. */
const ours = async (model: Encoder, texts: readonly string[]) => {
  const tokenizer = await AutoTokenizer.from_pretrained('web')
  const { input_ids: ids, attention_mask: mask } = tokenizer([...texts], { padding: true }) as Record<string, Encoded>
  const tensor = ({ dims, data }: Encoded) => tf.tensor(Int32Array.from(data, Number), [...dims], 'int32')
  const { weights, dispose } = await loadModel(model)
  const y = tf.tidy(() => forward(model, tensor(ids), { weights, attended: tensor(mask) }))
  const values = await y.data<'float32'>()
  y.dispose()
  dispose()
  return { shape: y.shape, values, seen: Array.from(mask.data, each => each === 1n) }
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>, isSeen: (i: number) => boolean = () => true): number => {
  assert.equal(a.length, b.length)
  return Array.from(a, (value, i) => (isSeen(i) ? Math.abs(value - b[i]) : 0)).reduce((x, y) => Math.max(x, y), 0)
}

const bert = (architecture: string, config = {}): Encoder => ({ ...tinyBert(architecture, { config }), files: wordPieces() })

for (const { dtype, step } of DTYPES)
  test(`transformers.js extracts the features that we compute: ${dtype}`, () =>
    withFolder(async folder => {
      const model = await place(folder, bert('BertModel'), step)
      const { shape, values, seen } = await ours(model, TEXTS)
      assert.ok(seen.includes(false), 'one text is padded')
      const extract = await task('feature-extraction', 'web', { dtype, device: 'cpu' })
      const features = await extract(TEXTS)
      const hidden = shape.at(-1)!
      assert.deepEqual(features.dims, shape)
      const off = largest(features.data as Float32Array, values, i => seen[Math.floor(i / hidden)])
      console.log(`  ${dtype}: features differ by at most ${off.toExponential(1)}`)
      assert.ok(off < 1e-5)
      const pooled = (await extract(TEXTS, { pooling: 'mean', normalize: true })).data as Float32Array
      TEXTS.forEach((_, row) => {
        const tokens = Array.from({ length: shape[1]! }, (_, i) => row * shape[1]! + i).filter(token => seen[token])
        const mean = Array.from({ length: hidden }, (_, i) => tokens.reduce((sum, token) => sum + values[token * hidden + i], 0))
        const norm = Math.hypot(...mean)
        assert.ok(largest(pooled.subarray(row * hidden, (row + 1) * hidden), mean.map(value => value / norm)) < 1e-5) // prettier-ignore
      })
      await extract.dispose()
      await model.close?.()
    }))

test('transformers.js gives the classes that we compute, by their names', () =>
  withFolder(async folder => {
    const names = { 0: 'sea', 1: 'land', 2: 'sky' }
    const model = await place(folder, bert('BertForSequenceClassification', { id2label: names }), [])
    const { values } = await ours(model, TEXTS)
    const classify = await task('text-classification', 'web', { dtype: 'fp32', device: 'cpu' })
    for (const [row, text] of TEXTS.entries()) {
      const powers = Array.from(values.subarray(row * 3, row * 3 + 3), Math.exp)
      const total = powers.reduce((a, b) => a + b)
      const expected = Object.fromEntries(powers.map((power, i) => [names[i as 0], power / total]))
      const said = (await classify(text, { top_k: 3 })) as unknown as readonly { label: string; score: number }[]
      assert.equal(said.length, 3)
      for (const { label, score } of said) assert.ok(Math.abs(score - expected[label]) < 1e-5, `${label}: ${score}, ${expected[label]}`)
    }
    await classify.dispose()
    await model.close?.()
  }))

test('transformers.js fills the gap as we do', () =>
  withFolder(async folder => {
    const config = { vocab_size: VOCABULARY.length }
    const model = await place(folder, bert('BertForMaskedLM', config), DTYPES[1].step)
    const text = 'the old [MASK] looked'
    const { values } = await ours(model, [text])
    const row = values.subarray(3 * VOCABULARY.length, 4 * VOCABULARY.length) // behind [CLS], "the" and "old"
    const fill = await task('fill-mask', 'web', { dtype: 'q4', device: 'cpu' })
    const [first] = (await fill(text, { top_k: 1 })) as unknown as readonly { token: number; token_str: string; score: number }[]
    const total = row.reduce((sum, value) => sum + Math.exp(value), 0)
    const best = row.indexOf(Math.max(...row))
    assert.equal(first.token, best)
    assert.ok(Math.abs(first.score - Math.exp(row[best]) / total) < 1e-5)
    console.log(`  ${JSON.stringify(first.token_str)}`)
    await fill.dispose()
    await model.close?.()
  }))

test('transformers.js extracts the features of a decoder without its head', () =>
  withFolder(async folder => {
    const { params, rawConfig, files } = (await openModel(BUNDLED)) as LanguageModel
    const config = { ...rawConfig, architectures: ['LlamaModel'], tie_word_embeddings: false }
    const base = { ...params, names: () => params.names().filter(name => name !== 'lm_head.weight') }
    const model = await place(folder, { params: base, rawConfig: config, files } as unknown as Encoder, [])
    assert.equal(model.family, 'encoder')
    const [text] = TEXTS
    const { shape, values } = await ours(model, [text])
    const extract = await task('feature-extraction', 'web', { dtype: 'fp32', device: 'cpu' })
    const features = await extract(text)
    assert.deepEqual(features.dims, shape)
    const off = largest(features.data as Float32Array, values)
    console.log(`  features differ by at most ${off.toExponential(1)}`)
    assert.ok(off < 1e-3)
    await extract.dispose()
    await model.close?.()
    await params.close?.()
  }))
