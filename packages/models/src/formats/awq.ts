import { notInNode } from './checkpoint-format.js'
import type { Format } from './format.js'
import { configIn, filesOf } from './huggingface.js'

/** An AWQ folder; it is opened as a Hugging Face folder is. */
export const awqFormat: Format = {
  name: 'awq',
  writer: {
    holds: ['language'],
    options: ['dtype'],
    judge: async () => (await import('@tersor/formats/awq')).whyNoAwq,
    sink: async ({ dtype }) => {
      const { awqSink } = await import('@tersor/formats/awq')
      return (path, model, options) => awqSink(path, { ...options, ...filesOf(model), config: configIn(model.rawConfig, dtype) })
    },
    runtime: notInNode('awq'),
  },
}
