import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mkdtemp, mkdir, rm, writeFile, copyFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as core from '@tersor/core'
import { ggufSink } from '@tersor/formats/gguf'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import type { ParameterSink } from '@tersor/tensor'
import { generate } from '../generation/generate.js'
import type { LanguageModel } from '../networks/language-model.js'
import { openModel, type OpenedModel } from './open-model.js'
import { picoLlama } from '../networks/pico-llama.js'
import { DATA, describeData } from '../shared-data.fixture.js'

let folder = ''
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'tersor-models-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const save = async (model: core.Model, sink: ParameterSink): Promise<void> => {
  for (const name of model.params.names()) await sink.write(name, await model.params.read(name))
  const store = await sink.finish()
  await store.close?.()
}

const textFile = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

const refusal = async (path: string) => {
  const error = (await openModel(path).catch((reason: unknown) => reason)) as { code: string; message: string }
  return [error.code, ...error.message.replaceAll(folder, '').split('\n')]
}

const logitsOf = async (model: OpenedModel, x: tf.Tensor): Promise<Float32Array> => {
  const { weights, dispose } = await core.loadModel(model)
  const logits = core.forward(model, x, { weights })
  const values = await logits.data<'float32'>()
  tf.dispose([logits, x])
  dispose()
  return values
}

const accepted =
  'Pass a Hugging Face folder (config.json, model.safetensors), a .gguf or .onnx file, the model.json of tfjs, or NAME.safetensors with NAME.json beside it.'

describe('openModel', () => {
  it('opens a Hugging Face folder with everything that travels with it', async () => {
    const model = picoLlama({ vocabulary: 20 })
    const path = join(folder, 'model')
    const files = { 'generation_config.json': textFile({ eos_token_id: [7, 9] }) }
    await save(model, huggingFaceSink(path, { config: model.rawConfig, files }))
    const opened = await openModel(path)
    expect(opened).toMatchObject({ family: 'language', architecture: 'llama', rawConfig: model.rawConfig, provenance: [] })
    expect(opened.family === 'language' && opened.config.eos).toEqual([7, 9])
    expect(opened.family === 'language' && Object.keys(opened.files!)).toEqual(['generation_config.json'])
    const ids = () => tf.tensor2d([[1, 2, 3]], [1, 3], 'int32')
    expect(await logitsOf(opened, ids())).toEqual(await logitsOf(model, ids()))
    await opened.close?.()
  })

  it.each([{}, { model_type: 'qwen2' }, { model_type: 'qwen3', head_dim: 16 }, { attention_bias: true, tie_word_embeddings: true }])(
    'opens a GGUF file: %j',
    async config => {
      const model = picoLlama({ vocabulary: 20, config })
      const path = join(folder, 'model.gguf')
      await save(model, ggufSink(path, { config: model.rawConfig }))
      const opened = await openModel(path)
      expect(opened).toMatchObject({ family: 'language', architecture: model.architecture, contextLength: 64 })
      const ids = () => tf.tensor2d([[1, 2, 3, 19]], [1, 4], 'int32')
      const [got, expected] = [await logitsOf(opened, ids()), await logitsOf(model, ids())]
      got.forEach((value, i) => expect(Math.abs(value - expected[i])).toBeLessThan(1e-4))
      await opened.close?.()
    },
  )

  it('says which architecture a GGUF file holds that it does not run', async () => {
    const path = join(folder, 'model.gguf')
    const text = (value: string) => Buffer.concat([Buffer.from(BigUint64Array.of(BigInt(value.length)).buffer), Buffer.from(value)])
    const counts = Buffer.from(BigUint64Array.of(0n, 1n).buffer)
    const STRING = Buffer.from(Uint32Array.of(8).buffer)
    const head = [Buffer.from('GGUF'), Buffer.from(Uint32Array.of(3).buffer), counts]
    await writeFile(path, Buffer.concat([...head, text('general.architecture'), STRING, text('rwkv'), Buffer.alloc(64)]))
    expect(await refusal(path)).toEqual([
      'UNSUPPORTED',
      '/model.gguf holds the architecture "rwkv", which this package does not run.',
      'Known are llama, deci, qwen2, qwen3, qwen2moe, qwen3moe.',
    ])
  })

  it('says what is not there', async () => {
    expect(await refusal(join(folder, 'nowhere'))).toEqual(['NOT_FOUND', 'There is nothing at /nowhere.', accepted])
  })

  it('says what it does not open', async () => {
    await writeFile(join(folder, 'model.tflite'), 'x')
    expect(await refusal(join(folder, 'model.tflite'))).toEqual([
      'UNSUPPORTED',
      '/model.tflite is no model that this package opens.',
      accepted,
    ])
  })

  it('wants the description beside the weights', async () => {
    const path = join(folder, 'net.safetensors')
    await writeFile(path, 'x')
    expect(await refusal(path)).toEqual(['NOT_FOUND', '/net.safetensors has no /net.json beside it.', accepted])
    const remedy = 'Take the description that was saved with these weights.'
    await writeFile(join(folder, 'net.json'), '{')
    expect(await refusal(path)).toEqual(['BAD_FILE', '/net.json is no JSON.', remedy])
    await writeFile(join(folder, 'net.json'), '[]')
    expect(await refusal(path)).toEqual(['BAD_FILE', '/net.json is not an object.', remedy])
    await writeFile(join(folder, 'net.json'), '['.repeat(1e5) + ']'.repeat(1e5))
    expect(await refusal(path)).toEqual(['BAD_FILE', '/net.json is no JSON.', remedy])
    await writeFile(join(folder, 'net.json'), `{"name":${'['.repeat(20)}${']'.repeat(20)}}`)
    expect((await refusal(path))[1]).toMatch(/^The config's "name" is \[+\]+; expected the name of a network/)
    await writeFile(join(folder, 'net.json'), '{}')
    expect((await refusal(path))[1]).toBe(`The config's "name" is missing; expected the name of a network, such as "resnet20".`)
    await writeFile(join(folder, 'net.json'), ' '.repeat((1 << 20) + 1))
    expect(await refusal(path)).toEqual(['BAD_FILE', '/net.json has 1048577 bytes, too many for a description.', remedy])
  })

  it('says what a folder lacks', async () => {
    await mkdir(join(folder, 'empty'))
    expect((await refusal(join(folder, 'empty')))[0]).toBe('NOT_FOUND')
  })

  it('refuses an architecture that is not known, and leaves no file open', async () => {
    const model = picoLlama({ vocabulary: 20 })
    const path = join(folder, 'model')
    await save(model, huggingFaceSink(path, { config: { ...model.rawConfig, model_type: 'mamba' } }))
    expect((await refusal(path))[0]).toBe('UNSUPPORTED')
  })
})

describeData('lm/shakespeare-llama', 'the character model from its folder', () => {
  it('writes the same from a GGUF file', async () => {
    const model = (await openModel(join(DATA, 'lm/shakespeare-llama'))) as LanguageModel
    const path = join(folder, 'shakespeare.gguf')
    await save(model, ggufSink(path, { config: model.rawConfig, files: model.files! }))
    const opened = (await openModel(path)) as LanguageModel
    expect(opened.tokenizer!.encode('ROMEO:\n')).toEqual(model.tokenizer!.encode('ROMEO:\n'))
    let text = ''
    for await (const piece of generate(opened, { prompt: 'ROMEO:\n', tokens: 4 })) text += piece.text
    expect(text).toBe('The ')
    await model.close?.()
    await opened.close?.()
  })

  it('brings its tokenizer', async () => {
    const opened = await openModel(join(DATA, 'lm/shakespeare-llama'))
    if (opened.family !== 'language') throw new Error('It is a language model.')
    let text = ''
    for await (const piece of generate(opened, { prompt: 'ROMEO:\n', tokens: 9 })) text += piece.text
    expect(text).toBe('The shall')
    await opened.close?.()
  })
})

describeData('cifar10-resnet', 'ResNet-20 from its file', () => {
  it('opens with its description, also from a folder', async () => {
    const opened = await openModel(join(DATA, 'cifar10-resnet/resnet20.safetensors'))
    expect(opened).toMatchObject({ family: 'image', architecture: 'resnet20', imageShape: [32, 32, 3] })
    await opened.close?.()
    await copyFile(join(DATA, 'cifar10-resnet/resnet20.safetensors'), join(folder, 'model.safetensors'))
    await copyFile(join(DATA, 'cifar10-resnet/resnet20.json'), join(folder, 'config.json'))
    const again = await openModel(folder)
    expect(again).toMatchObject({ family: 'image', architecture: 'resnet20' })
    await again.close?.()
  })
})
