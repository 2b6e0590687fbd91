import { checkpointOf, notInNode } from './checkpoint-format.js'
import type { Format } from './format.js'
import { configIn, filesOf } from './huggingface.js'

/** A GPTQ folder; it is opened as a Hugging Face folder is. */
export const gptqFormat: Format = {
  name: 'gptq',
  writer: {
    holds: ['language'],
    options: ['checkpointFormat', 'dtype'],
    judge: async () => (await import('@tersor/formats/gptq')).whyNoGptq,
    sink: async options => {
      const { gptqSink } = await import('@tersor/formats/gptq')
      const version = checkpointOf('gptq', ['gptq', 'gptq_v2'], options)
      return (path, model, told) =>
        gptqSink(path, { ...told, ...filesOf(model), config: configIn(model.rawConfig, options.dtype), ...(version ? { version } : {}) })
    },
    runtime: notInNode('gptq'),
  },
}
