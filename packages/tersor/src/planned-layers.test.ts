import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { picoLlama } from '@tersor/models'
import { fp8, gptq, hqq, nvfp4, rtn } from '@tersor/quantization'
import { wanda } from '@tersor/pruning'
import { refusePlanned } from './planned-layers.js'

beforeAll(() => tf.setBackend('cpu'))

const model = picoLlama({ vocabulary: 32, keyValueHeads: 4 })
const UP = 'model.layers.0.self_attn.q_proj.weight'

it.each([
  ['gptq', rtn({ bits: 5 }), `${UP} has 5 bits.`],
  ['gptq', gptq({ bits: 4, group: 24 }), `${UP} has groups of 24, which do not divide its 32 columns.`],
  ['gptq', hqq(), 'hqq makes codes that are no grid with whole zeros.'],
  ['gptq', fp8(), 'fp8 makes codes that are no grid with whole zeros.'],
  ['awq', rtn({ bits: 8 }), `${UP} has 8 bits.`],
  ['compressed-tensors', rtn({ group: 24 }), `${UP} has groups of 24, which do not divide its 32 columns.`],
  ['compressed-tensors', rtn({ only: '*' }), 'model.embed_tokens.weight is a table of embeddings, which loaders take plain only.'],
  ['compressed-tensors', nvfp4({ only: 'model.embed_tokens' }), 'model.embed_tokens.weight is a table of embeddings'],
] as const)('%s refuses before the run what can be known before it: %#', async (format, step, what) => {
  const error = (await refusePlanned(model, [step], { format }).catch((reason: unknown) => reason)) as { code: string; message: string }
  expect(error.code).toBe('UNSUPPORTED')
  expect(error.message).toContain(`The format ${format} will have no place for the result: ${what}`)
  expect(error.message.split('\n')).toHaveLength(2)
})

it('refuses other widths than bytes where bytes were asked for', async () => {
  const flags = { format: 'compressed-tensors', checkpointFormat: 'int-quantized' } as const
  await expect(refusePlanned(model, [rtn({ bits: 4 })], flags)).rejects.toThrow(`${UP} has 4 bits, not 8.\nQuantize it with bits=8`)
  await refusePlanned(model, [rtn({ bits: 8 })], flags)
})

it('lets through what has a place, what is not known before, and what is for other formats', async () => {
  await refusePlanned(model, [wanda({ sparsity: 0.5 }), gptq({ bits: 4, group: 32, symmetric: false })], { format: 'gptq' })
  await refusePlanned(model, [fp8()], { format: 'compressed-tensors' })
  await refusePlanned(model, [rtn({ bits: 5, only: '*' })], { format: 'huggingface' })
})
