import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, type Step } from '@tersor/core'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { openModel, picoLlama, type OpenedModel } from '@tersor/models'
import { fp8, mxfp4, nvfp4, rtn } from '@tersor/quantization'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FormatFlags } from './format-flags.js'
import { openDirectOutput, openOutput } from './model-output.js'
import { sinkOf } from './writer-of.js'
import { notesOf } from './with-model.js'

let folder: string
let count = 0
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-folders-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** What config.json says of the quantization after one step, and the names of the tensors. */
const written = async (flags: FormatFlags, step: Step, model: OpenedModel = picoLlama({ vocabulary: 32, keyValueHeads: 4 })) => {
  const out = join(folder, String(count++))
  const { sink, scratch } = await openOutput(model, join(folder, 'source'), { ...flags, out, overwrite: false, resume: false })
  await (await compress(model, step, { sink, scratch })).params.close?.()
  const { quantization_config: quantization } = JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))
  return { out, quantization }
}

it.each([
  [fp8(), 'float-quantized'],
  [nvfp4(), 'nvfp4-pack-quantized'],
  [mxfp4(), 'mxfp4-pack-quantized'],
  [rtn({ bits: 8, granularity: 'row' }), 'pack-quantized'],
] as const)('a compressed-tensors folder takes the format of what a step makes: %#', async (step, format) => {
  const { out, quantization } = await written({ format: 'compressed-tensors' }, step)
  expect(quantization).toMatchObject({ format, ignore: ['lm_head'], config_groups: { group_0: { format } } })
  const opened = await openModel(out)
  expect(notesOf(opened)).toEqual([])
  expect(opened.params.info('model.layers.0.mlp.up_proj.weight').codec).toBeDefined()
  await opened.close?.()
})

it('writes bytes where they are asked for, and asymmetric GPTQ in its second version', async () => {
  const bytes = { format: 'compressed-tensors', checkpointFormat: 'int-quantized' } as const
  expect((await written(bytes, rtn({ bits: 8, granularity: 'row' }))).quantization.format).toBe('int-quantized')
  const asymmetric = rtn({ bits: 4, group: 32, symmetric: false })
  expect((await written({ format: 'gptq' }, asymmetric)).quantization.checkpoint_format).toBe('gptq_v2')
  expect((await written({ format: 'gptq' }, rtn({ bits: 4, group: 32 }))).quantization.checkpoint_format).toBe('gptq')
  const second = { format: 'gptq', checkpointFormat: 'gptq_v2' } as const
  expect((await written(second, rtn({ bits: 4, group: 32 }))).quantization.checkpoint_format).toBe('gptq_v2')
})

it('names the routers of a mixture, which stay plain', async () => {
  const mixture = picoLlama({ vocabulary: 32, layers: 1, config: { model_type: 'mixtral', num_local_experts: 2 } })
  const { quantization } = await written({ format: 'compressed-tensors' }, rtn({ bits: 4, group: 32 }), mixture)
  expect(quantization.ignore).toEqual(['model.layers.0.block_sparse_moe.gate', 'lm_head'])
})

it.each([
  [
    { format: 'awq', checkpointFormat: 'gptq' },
    '--checkpoint-format says nothing to the format awq.\nPass it with --format gptq or compressed-tensors',
  ],
  [
    { format: 'gptq', checkpointFormat: 'int-quantized' },
    'The format gptq has no checkpoint format int-quantized.\nPass --checkpoint-format gptq or gptq_v2',
  ],
  [{ format: 'huggingface', type: 'q4_k' }, '--type says nothing to the format huggingface.\nPass it with --format gguf, or leave it out.'],
] as const)('refuses an option that a format does not know: %#', async (flags, message) => {
  await expect(sinkOf(flags)).rejects.toThrow(message)
})

it('writes the names of the file, not those of the network, and GGUF from a config that leaves defaults out', async () => {
  const { params, rawConfig } = picoLlama({ vocabulary: 32, keyValueHeads: 4 })
  const { rms_norm_eps: _e, rope_theta: _t, num_key_value_heads: _k, ...bare } = rawConfig
  const base = huggingFaceSink(join(folder, 'base'), { config: bare })
  for (const name of params.names()) await base.write(name.replace(/^model\./, ''), await params.read(name))
  await (await base.finish()).close?.()
  const model = await openModel(join(folder, 'base'))
  const copy = async (format: 'huggingface' | 'gguf', out: string) => {
    const output = await openDirectOutput(model, join(folder, 'source'), { format, out: join(folder, out), overwrite: false })
    for (const name of model.params.names()) await output.sink.write(name, await model.params.read(name))
    return output.sink.finish()
  }
  const stored = await copy('huggingface', 'copied')
  expect([...stored.names()].sort()).toEqual(['lm_head.weight', ...params.names().map(name => name.replace(/^model\./, ''))].filter((name, i, all) => all.indexOf(name) === i).sort()) // prettier-ignore
  await stored.close?.()
  await (await copy('gguf', 'copied.gguf')).close?.()
  const gguf = await openModel(join(folder, 'copied.gguf'))
  expect(gguf.family === 'language' && gguf.config).toMatchObject({
    widths: expect.arrayContaining([expect.objectContaining({ keyValueHeads: 4 })]),
    epsilon: 1e-6,
  })
  await gguf.close?.()
  await model.close?.()
})
