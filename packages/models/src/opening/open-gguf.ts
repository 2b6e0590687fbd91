import { GGUF_ARCHITECTURES, openGguf } from '@tersor/formats/gguf'
import { CompressionError } from '@tersor/tensor'
import { llamaModel } from '../networks/llama.js'
import type { LanguageModel } from '../networks/language-model.js'
import type { OpenModelOptions } from './opened-model.js'
import { jsonOf, over, tokenizerOf } from './side-files.js'

/** Opens a GGUF file as a network; throws UNSUPPORTED for architectures that are none of ours, and what `openGguf` throws. */
export const openGgufModel = async (path: string, { fileSystem }: OpenModelOptions): Promise<LanguageModel> => {
  const { config, metadata, params, files, provenance, close } = await openGguf(path, fileSystem ? { fileSystem } : {})
  return over({ close }, () => {
    if (!config) {
      const architecture = String(metadata.get('general.architecture')?.value).slice(0, 80)
      const known = Object.keys(GGUF_ARCHITECTURES)
      throw new CompressionError(
        'UNSUPPORTED',
        `${path} holds the architecture ${JSON.stringify(architecture)}, which this package does not run.`,
        `Known are ${known.join(', ')}.`,
        { path, architecture, known },
      )
    }
    const generation = files['generation_config.json'] ? { generationConfig: jsonOf(files, 'generation_config.json') } : {}
    return llamaModel(config, params, { files, metadata, provenance, close, ...generation, ...tokenizerOf(files) })
  })
}
