import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compress, firstUnitsOf, pipeline, shrink, type Model, type Step } from '@tersor/core'
import { ggufSink } from '@tersor/formats/gguf'
import { gptqSink } from '@tersor/formats/gptq'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { onnxDecoderSink } from '@tersor/onnx/decoder'
import { svd } from '@tersor/low-rank'
import { magnitude, uniql } from '@tersor/pruning'
import { kQuant, rtn } from '@tersor/quantization'
import { byteLength, copyStore, denseLeaves } from '@tersor/tensor'
import { FRESH_CONFIGS } from '../networks/fresh-configs.fixture.js'
import { freshModel } from '../networks/fresh-model.js'
import { largestGap, outputsOf, someIds } from '../networks/outputs.fixture.js'
import type { LanguageModel } from '../networks/language-model.js'
import { openModel } from './open-model.js'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-sorted-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Head size 16, in groups of 8; 48 neurons. */
const WIDE = { ...FRESH_CONFIGS.llama, head_dim: 16 }
const SORT = { multiple: 8, pairs: 4, shares: 'equal' } as const

const fresh = (config: object = WIDE): LanguageModel => freshModel(config as typeof WIDE, { seed: 2, deviation: 0.2 }) as LanguageModel

const made = async (steps: readonly Step[], model = fresh()): Promise<LanguageModel> => {
  const calibration = [someIds()]
  const small = await compress<Model>(model, pipeline(...steps), { calibration, seed: 1 })
  tf.dispose(calibration)
  return small as LanguageModel
}

/** The network with all units sorted, and with its neurons alone; once for all tests. */
let sorted: LanguageModel
let neurons: LanguageModel
beforeAll(async () => {
  sorted = await made([uniql(SORT)])
  neurons = await made([uniql({ ...SORT, units: ['neurons'] })])
})

const saved = async (name: string, model: LanguageModel): Promise<string> => {
  const path = join(folder, name)
  await (await copyStore(model.params, huggingFaceSink(path, { config: model.rawConfig }))).close?.()
  return path
}

const bytesOf = async ({ params }: Model) =>
  Promise.all(
    params.names().map(async name => [name, params.info(name), denseLeaves(await params.read(name)).map(({ bytes }) => bytes)] as const),
  )

const refusal = async (opening: Promise<unknown>) => {
  const error = (await opening.then(
    () => undefined,
    (reason: unknown) => reason,
  )) as { readonly code: string; readonly message: string } | undefined
  return [error?.code, error?.message.split('\n').length, error?.message]
}

describe.each<[string, readonly number[], readonly Step[]]>([
  ['floats', [0.75, 0.5], []],
  ['codes of 4 bits', [0.9, 0.5], [rtn({ bits: 4, group: 8 })]],
  ['masks over codes', [0.5], [magnitude({ sparsity: 0.5 }), rtn({ bits: 4, group: 8 })]],
  ['factors', [0.5], [svd({ rank: 4 })]],
])('one sorted file with %s', (name, shares, after) => {
  it('opens at any share, each byte for byte what shrinking at once gives', async () => {
    const path = await saved(name.replaceAll(' ', '-'), after.length > 0 ? await made(after, sorted) : sorted)
    const whole = await openModel(path)
    for (const share of shares) {
      const cut = await openModel(path, { cut: share })
      const small = await shrink(whole, firstUnitsOf(whole, share))
      expect(await bytesOf(cut)).toEqual(await bytesOf(small))
      expect(cut.rawConfig).toEqual(small.rawConfig)
      expect(cut.params.info('model.layers.1.mlp.down_proj.weight').shape).toEqual([32, Math.round((48 * share) / 8) * 8])
      for (const each of cut.params.names()) expect(cut.params.info(each).byteLength).toBe(byteLength(await cut.params.read(each)))
      await cut.close?.()
    }
    const cut = await openModel(path, { cut: 0.5 })
    const again = await openModel(await saved(`${name.replaceAll(' ', '-')}-half`, cut as LanguageModel))
    expect(await outputsOf(again, someIds)).toEqual(await outputsOf(cut, someIds))
    await Promise.all([cut.close?.(), again.close?.()])
    await whole.close?.()
  })
})

it('the first units give more than those of a file that is not sorted', async () => {
  const unsorted = fresh()
  const whole = await outputsOf(unsorted, someIds)
  const change = firstUnitsOf(neurons, 0.5)
  const [ours, others] = [await outputsOf(await shrink<Model>(neurons, change), someIds), await outputsOf(await shrink<Model>(unsorted, change), someIds)] // prettier-ignore
  expect(largestGap(whole, ours)).toBeLessThan(largestGap(whole, others))
})

it('refuses what cannot be cut before anything is read or written', async () => {
  const plain = await saved('plain', freshModel(WIDE, { seed: 2 }) as LanguageModel)
  expect(await refusal(openModel(plain, { cut: 0.5 }))).toEqual(['UNSUPPORTED', 2, expect.stringContaining('in no order of their worth')])
  const path = await saved('sorted', sorted)
  for (const cut of [0, 1.5, NaN])
    expect(await refusal(openModel(path, { cut }))).toEqual(['BAD_OPTION', 2, expect.stringContaining('A cut keeps a share')])
  expect(await refusal(openModel(path, { cut: 0.05 }))).toEqual(['BAD_OPTION', 2, expect.stringContaining('none of its 8 units')])
  const uneven = await saved('uneven', await made([rtn({ bits: 4, group: 32 })], sorted))
  expect(await refusal(openModel(uneven, { cut: 0.75 }))).toEqual(['COMPOSITION', 2, expect.stringContaining('32 columns share a scale')])
  const blocks = await saved('blocks', await made([uniql(SORT), kQuant({ type: 'q8_0' })], fresh({ ...WIDE, intermediate_size: 64, hidden_size: 64 }))) // prettier-ignore
  expect(await refusal(openModel(blocks, { cut: 0.75 }))).toEqual(['COMPOSITION', 2, expect.stringContaining('cannot be cut so')])
})

it('with neurons alone it stays a network that other programs read, at every share', async () => {
  const path = await saved('neurons', neurons)
  const cut = (await openModel(path, { cut: 0.5 })) as LanguageModel
  expect(cut.rawConfig).toMatchObject({ head_dim: 16, intermediate_size: 24 })
  const file = join(folder, 'neurons.gguf')
  await (await copyStore(cut.params, ggufSink(file, { config: cut.completeConfig!, type: 'f32' }))).close?.()
  const again = await openModel(file)
  expect(largestGap(await outputsOf(again, someIds), await outputsOf(cut, someIds))).toBeLessThan(1e-5)
  await Promise.all([again.close?.(), cut.close?.()])
})

it('with heads it is refused where there is no place for pairs in an order of their own', async () => {
  const { params, rawConfig, completeConfig } = sorted
  const shapes = params.names().map(name => [name, params.info(name).shape] as const)
  const opening = [
    () => ggufSink(join(folder, 'heads.gguf'), { config: completeConfig!, shapes }),
    () => onnxDecoderSink(join(folder, 'heads-onnx'), { rawConfig }),
    () => gptqSink(join(folder, 'heads-gptq'), { config: rawConfig }),
  ]
  for (const open of opening)
    expect(await refusal(Promise.resolve().then(async () => copyStore(params, open())))).toEqual(['UNSUPPORTED', 2, expect.stringContaining('')]) // prettier-ignore
})
