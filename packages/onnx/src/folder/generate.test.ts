import * as tf from '@tensorflow/tfjs-core'
import { compress } from '@tersor/core'
import { selectEngine } from '@tersor/kernels'
import { generate, openModel, picoLlama, type Generator, type LanguageModel } from '@tersor/models'
import { rtn } from '@tersor/quantization'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decoderGraphOf } from '../cache/decoder-graph.fixture.js'
import { onnxDecoderSink } from '../decoder.js'

const BUNDLED = join(__dirname, '../../../../examples/bundled-model/model')
const PROMPT = 'The king'
const IDS = [5, 77, 130, 9, 200]
const TOKENS = 8

let folder = ''
let source: LanguageModel
beforeAll(async () => {
  await selectEngine()
  folder = await mkdtemp(join(tmpdir(), 'tersor-generate-'))
  source = (await openModel(BUNDLED)) as LanguageModel
})
afterAll(async () => {
  await source.close?.()
  await rm(folder, { recursive: true, force: true })
})

const greedyIds = async (model: Generator, prompt: string | readonly number[] = PROMPT): Promise<number[]> => {
  const ids: number[] = []
  for await (const { id } of generate(model, { prompt, tokens: TOKENS })) ids.push(id)
  return ids
}

/** Writes a model as a folder for transformers.js and opens that again. */
const folderOf = async (name: string, { params }: LanguageModel) => {
  const sink = onnxDecoderSink(join(folder, name), source)
  for (const each of params.names()) await sink.write(each, await params.read(each))
  await (await sink.finish()).close?.()
  const model = await openModel(join(folder, name))
  if (model.family !== 'graph' || !model.text) throw new Error(`${model.architecture} takes no text`)
  return { ...model, text: model.text }
}

it('generates from a folder the tokens of the model that it was written from', async () => {
  const model = await folderOf('plain', source)
  const before = tf.memory().numTensors
  const ids = await greedyIds(model)
  expect(ids).toHaveLength(TOKENS)
  expect(ids).toEqual(await greedyIds(source))
  expect(tf.memory().numTensors).toBe(before)
  await model.close?.()
})

// each form is compared with the official logits in decoder.test: here one of them, of a small network; all and of this one in the slow run
const IS_SLOW = process.env.TERSOR_SLOW === '1'
const FORMS = (['MatMulNBits', 'QDQ', 'dynamic'] as const).filter(form => form === 'MatMulNBits' || IS_SLOW)

it.each(FORMS)('generates from 4 bits as %s the tokens of those 4 bits', async form => {
  const large = IS_SLOW ? source : picoLlama({ hidden: 64, heads: 4, keyValueHeads: 2, context: 64, seed: 3 })
  const small = (await compress(large, rtn(form === 'dynamic' ? { bits: 8, granularity: 'row' } : { bits: 4, group: 32 }))) as LanguageModel
  const model = await decoderGraphOf(join(folder, form), small, { form })
  const ids = await greedyIds(model, IDS)
  expect(ids).toHaveLength(TOKENS)
  expect(new Set(ids).size).toBeGreaterThan(1)
  // integers in place of activations may tip a choice: the form for servers is held to the first tokens only
  const held = form === 'dynamic' ? 4 : TOKENS
  expect(ids.slice(0, held)).toEqual((await greedyIds(small, IDS)).slice(0, held))
  await model.close?.()
})
