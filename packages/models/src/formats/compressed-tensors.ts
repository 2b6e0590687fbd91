import { checkpointOf, notInNode } from './checkpoint-format.js'
import type { Format } from './format.js'
import { configIn, filesOf } from './huggingface.js'

const NAME = 'compressed-tensors'

/** A compressed-tensors folder; it is opened as a Hugging Face folder is. */
export const compressedTensorsFormat: Format = {
  name: NAME,
  writer: {
    holds: ['language'],
    options: ['checkpointFormat', 'dtype'],
    takes: ['fp8', 'nvfp4', 'mxfp4'],
    judge: async ({ checkpointFormat }) => {
      const { whyNoCompressedTensors } = await import('@tersor/formats/compressed-tensors')
      const format = checkpointFormat === 'int-quantized' ? checkpointFormat : 'pack-quantized'
      return layer => whyNoCompressedTensors(layer, format)
    },
    sink: async options => {
      const { compressedTensorsSink } = await import('@tersor/formats/compressed-tensors')
      const format = checkpointOf(NAME, ['pack-quantized', 'int-quantized'], options)
      return (path, model, told) =>
        compressedTensorsSink(path, {
          ...told,
          ...filesOf(model),
          config: configIn(model.rawConfig, options.dtype),
          ...(format ? { format } : {}),
        })
    },
    runtime: notInNode(NAME),
  },
}
