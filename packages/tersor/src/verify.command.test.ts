import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress } from '@tersor/core'
import { compressedTensorsSink } from '@tersor/formats/compressed-tensors'
import { gptqSink } from '@tersor/formats/gptq'
import { ggufSink } from '@tersor/formats/gguf'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { onnxSink } from '@tersor/onnx/file'
import { tfjsSink } from '@tersor/formats/tfjs'
import { llamaEncoder, openTfjsModel, picoLlama, type OpenedModel } from '@tersor/models'
import { onnxDecoderSink, onnxEncoderSink, openOnnxModel } from '@tersor/onnx'
import { rtn } from '@tersor/quantization'
import type { ParameterSink } from '@tersor/tensor'
import { cp, mkdtemp, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeMlp } from '../../onnx/src/file/toy-graph.fixture.js'
import { tinyBert } from '../../models/src/networks/tiny-bert.fixture.js'
import { placeGraph, placeLayers } from '../../models/src/imported/tfjs/tiny-tfjs.fixture.js'
import { teeSink } from './tee-sink.js'
import { disagrees, requireAgreement, verificationText, verify, type Verification } from './verify.js'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-verify-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** As loadPackage does outside of Jest. */
const load = (name: string): Promise<unknown> => import(name)
const nothing = async (): Promise<unknown> => undefined

const save = async (model: OpenedModel, sink: ParameterSink): Promise<void> => {
  for (const name of model.params.names()) await sink.write(name, await model.params.read(name))
  await (await sink.finish()).close?.()
}

const differenceOf = (result: Verification): number => ('skipped' in result ? NaN : result.largest)

const pico = picoLlama({ dtype: 'bf16', context: 48, seed: 3, hidden: 64 })

describe('language models', () => {
  it('run in ONNX Runtime as a decoder', async () => {
    const path = join(folder, 'decoder')
    const kept = teeSink(() => onnxDecoderSink(path, pico))
    expect(kept.in(pico)).toBeUndefined()
    const written = await compress(pico, rtn({ bits: 4, group: 32 }), { sink: kept.sink })
    const small = kept.in(written)!
    const result = await verify({ path, format: 'onnx', seed: 1, compressed: small, load })
    expect(result).toMatchObject({ runtime: 'ONNX Runtime', tokens: 32 })
    expect(differenceOf(result)).toBeLessThan(1e-4)
    expect(verificationText(result)).toMatch(
      /^verified in ONNX Runtime: log-probabilities differ by at most \S+ \(mean \S+, KL \S+\) over 32 tokens$/,
    )
    // another network is told apart, and its divergence with it
    const other = await verify({ path, format: 'onnx', seed: 1, compressed: pico, load })
    expect(differenceOf(other)).toBeGreaterThan(1e-2)
    expect(other).toMatchObject({ divergence: expect.any(Number) })
    expect((other as { divergence: number }).divergence).toBeGreaterThan((result as { divergence: number }).divergence)
    // and where what was handed to the writer is gone, the graph is compared as it reads
    const read = await verify({ path, format: 'onnx', seed: 1, load })
    expect(read).toMatchObject({ runtime: 'ONNX Runtime', values: expect.any(Number) })
    expect(differenceOf(read)).toBeLessThan(1e-4)
    await written.params.close?.()
  })

  it.each([
    [
      'huggingface',
      (path: string) => huggingFaceSink(path, { config: pico.rawConfig }),
      'transformers, which reads Hugging Face folders without trees of Tersor, does not run in Node',
    ],
    [
      'gptq',
      (path: string) => gptqSink(path, { config: pico.rawConfig }),
      'vLLM and transformers, which read gptq folders, do not run in Node',
    ],
    [
      'compressed-tensors',
      (path: string) => compressedTensorsSink(path, { config: pico.rawConfig }),
      'vLLM and transformers, which read compressed-tensors folders, do not run in Node',
    ],
  ] as const)('are read back where no runtime runs here, and that is what is said: %s', async (format, open, why) => {
    const small = await compress(pico, rtn({ bits: 4, group: 32 }))
    const path = join(folder, format)
    await save(small, open(path))
    const result = await verify({ path, format, seed: 1, compressed: small })
    expect(result).toMatchObject({ readBack: true, why, largest: 0, mean: 0, divergence: 0, tokens: 32 })
    expect(result).not.toHaveProperty('runtime')
    expect(verificationText(result)).toBe(
      `not verified in a runtime: ${why}. Read back by Tersor itself, log-probabilities differ by at most 0.0 (mean 0.0, KL 0.0) over 32 tokens`,
    )
    const other = await verify({ path, format, seed: 1, compressed: pico })
    expect(differenceOf(other)).toBeGreaterThan(1e-2)
    expect(verificationText(other)).toContain('Read back by Tersor itself, DISAGREES, log-probabilities differ')
    expect(() => requireAgreement(other)).toThrow(expect.objectContaining({ code: 'BAD_DATA' }))
    const lost = await verify({ path, format, seed: 1, compressed: small, original: pico })
    // the result is as far from the original as the original is from what was written
    expect(lost).toMatchObject({ fromOriginal: expect.closeTo((other as { divergence: number }).divergence, 6) })
    expect(verificationText(lost)).toMatch(/over 32 tokens; from the original: KL \S+$/)
    expect(await verify({ path, format, seed: 1 })).toEqual({ skipped: why })
  })

  it('are read back where the runtime is not installed', async () => {
    const small = await compress(pico, rtn({ bits: 8, group: 32 }))
    const path = join(folder, 'model.gguf')
    await save(small, ggufSink(path, { config: pico.rawConfig }))
    const result = await verify({ path, format: 'gguf', seed: 1, compressed: small, load: nothing })
    expect(verificationText(result)).toMatch(
      /^not verified in a runtime: node-llama-cpp is not installed here\. Read back by Tersor itself, log-prob/,
    )
    expect(differenceOf(result)).toBeLessThan(1e-2)
  })
})

/** A network of the Llama family without its head. */
const headless = () => llamaEncoder({ ...pico.rawConfig, architectures: ['LlamaModel'] }, pico.params)

describe('encoders', () => {
  it.each([
    ['hidden states', () => tinyBert('BertModel'), 15 * 32],
    ['masked tokens', () => tinyBert('BertForMaskedLM'), 15 * 40],
    ['classes', () => tinyBert('BertForSequenceClassification'), 2],
    ['hidden states of a decoder', headless, 32 * 64],
  ] as const)('run in ONNX Runtime: %s', async (name, make, values) => {
    const path = join(folder, `encoder of ${name}`)
    const model = make()
    const small = await compress(model, rtn({ bits: 4, group: 32 }))
    await save(small, onnxEncoderSink(path, model))
    const request = { path, format: 'onnx', seed: 1, load } as const
    const result = await verify({ ...request, compressed: small, original: model })
    expect(result).toMatchObject({ runtime: 'ONNX Runtime', values })
    expect(differenceOf(result)).toBeLessThan(1e-4)
    expect(verificationText(result)).toMatch(
      /^verified in ONNX Runtime: outputs differ by .*; from the original: \S+ % of the largest value$/,
    )
    const other = await verify({ ...request, compressed: model })
    expect(verificationText(other)).toMatch(/^DISAGREES with ONNX Runtime: outputs differ/)
    expect(await verify({ ...request, compressed: small, load: nothing })).toEqual({ skipped: 'onnxruntime-node is not installed here' })
  })
})

describe('graphs', () => {
  it('run in ONNX Runtime', async () => {
    const path = join(folder, 'small.onnx')
    writeMlp(join(folder, 'mlp.onnx'))
    const model = await openOnnxModel(join(folder, 'mlp.onnx'))
    const small = await compress(model, rtn({ bits: 4, group: 32, only: '*' }))
    await save(small, onnxSink(path, { source: model.onnx }))
    const request = { path, format: 'onnx', seed: 1, load } as const
    const result = await verify({ ...request, compressed: small })
    expect(result).toMatchObject({ runtime: 'ONNX Runtime', values: 24 })
    expect(differenceOf(result)).toBeLessThan(1e-4)
    expect(verificationText(result)).toMatch(/^verified in ONNX Runtime: outputs differ by at most \S+ \(mean \S+\) of values up to \S+$/)
    expect(disagrees(result)).toBe(false)
    const other = await verify({ ...request, compressed: model })
    expect(differenceOf(other)).toBeGreaterThan(1e-2)
    expect(verificationText(other)).toMatch(/^DISAGREES with ONNX Runtime: outputs differ/)
    expect(() => requireAgreement(other)).toThrow('The result is saved, but the program it is for computes something else from it.\n')
    expect(() => requireAgreement(result)).not.toThrow()
    const lost = await verify({ ...request, compressed: small, original: model })
    expect(verificationText(lost)).toMatch(/^verified in .*; from the original: \S+ % of the largest value$/)
    expect(await verify({ ...request, compressed: model, original: model })).toMatchObject({ fromOriginal: 0 })
    const input = tf.ones([5, 96])
    expect(await verify({ ...request, compressed: small, input })).toMatchObject({ values: 120 })
    input.dispose()
    expect(await verify({ ...request, compressed: small, load: nothing })).toEqual({ skipped: 'onnxruntime-node is not installed here' })
    await model.close?.()
  })

  it.each([
    ['a graph', placeGraph, '@tensorflow/tfjs-converter'],
    ['layers', placeLayers, '@tensorflow/tfjs-layers'],
  ] as const)('run in unmodified tfjs: %s', async (_, place, packageName) => {
    const from = await mkdtemp(join(folder, 'tfjs-'))
    const model = await openTfjsModel(await place(from))
    const small = await compress(model, rtn({ bits: 8, granularity: 'tensor', symmetric: false, only: '*' }))
    await save(small, tfjsSink(join(from, 'small'), model.file))
    const path = join(from, 'small/model.json')
    const asked: string[] = []
    const request = { path, format: 'tfjs', seed: 1, load: (name: string) => (asked.push(name), load(name)) } as const
    const result = await verify({ ...request, compressed: small })
    expect(asked).toEqual([packageName])
    expect(result).toMatchObject({ runtime: 'TensorFlow.js', values: expect.any(Number) })
    expect(differenceOf(result)).toBeLessThan(1e-5)
    expect(differenceOf(await verify({ ...request, compressed: model }))).toBeGreaterThan(1e-4)
    expect(await verify({ ...request, compressed: small, load: nothing })).toEqual({ skipped: `${packageName} is not installed here` })
    await model.close?.()
  })

  it('that a runtime refuses are an error which says so', async () => {
    const model = await openOnnxModel(join(folder, 'mlp.onnx'))
    const path = join(folder, 'cut.onnx')
    await cp(join(folder, 'mlp.onnx'), path)
    await truncate(path, 2000)
    const run = verify({ path, format: 'onnx', seed: 1, compressed: model, load })
    await expect(run).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/^ONNX Runtime does not run .*cut\.onnx: /),
    })
    await model.close?.()
  })
})
