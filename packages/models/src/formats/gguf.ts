import type { GgufSinkOptions, MixtureName } from '@tersor/formats/gguf'
import type { OpenedModel } from '../opening/opened-model.js'
import type { Format } from './format.js'
import { filesOf } from './huggingface.js'

const PART = /-\d{5}-of-(\d{5})\.gguf$/

/** All that the GGUF file that a model was read from says besides its weights. */
const carriedBy = (model: OpenedModel) => ('metadata' in model && model.metadata ? { carried: model.metadata } : {})

/** The config with every default filled in: the file leaves nothing out. */
const completeOf = (model: OpenedModel) => ('completeConfig' in model && model.completeConfig ? model.completeConfig : model.rawConfig)

/** A GGUF file, or one split over several. */
export const ggufFormat: Format = {
  name: 'gguf',
  ends: ['.gguf'],
  open: async (path, options) => (await import('../opening/open-gguf.js')).openGgufModel(path, options),
  weightFiles: async path => {
    const count = PART.exec(path)?.[1]
    if (count === undefined) return [path]
    return Array.from({ length: Number(count) }, (_, i) => path.replace(PART, `-${String(i + 1).padStart(5, '0')}-of-${count}.gguf`))
  },
  writer: {
    end: '.gguf',
    fileIn: 'model.gguf',
    holds: ['language'],
    options: ['type', 'imatrix', 'dtype'],
    ownNames: true,
    rounds: true,
    // mixtures are in capitals, types are not; the sink refuses what it does not know
    sink: async ({ type, imatrix }) => {
      const { ggufSink, MIXTURES } = await import('@tersor/formats/gguf')
      const { openImatrix } = await import('@tersor/formats/imatrix')
      const isMixture = type !== undefined && Object.hasOwn(MIXTURES, type)
      const rounding = isMixture ? { mixture: type as MixtureName } : { type: type as GgufSinkOptions['type'] }
      const weighed = imatrix === undefined ? {} : { imatrix: typeof imatrix === 'string' ? await openImatrix(imatrix) : imatrix }
      return (path, model, options) =>
        ggufSink(path, {
          ...{ ...options, ...filesOf(model), ...carriedBy(model), config: completeOf(model), ...rounding, ...weighed },
          shapes: model.params.names().map(name => [name, model.params.info(name).shape] as const),
        })
    },
    runtime: async () => (await import('./llama-cpp.js')).llamaCpp,
  },
}
