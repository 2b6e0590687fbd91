import { within } from '@tersor/formats/internal/files/file-system'
import { fileSystem, type Format } from './format.js'

/** What a loader of trees would be. */
const NO_RUNTIME = 'no runtime besides Tersor reads its trees in Hugging Face folders'

/** A Hugging Face folder; a file of weights with its description beside it is read too. */
export const huggingFaceFormat: Format = {
  name: 'huggingface',
  ends: ['.safetensors'],
  open: async (path, options, folder) => {
    const { openDescribed, openFolder } = await import('../opening/open-folder.js')
    return folder === undefined ? openDescribed(path, options) : openFolder(folder, options)
  },
  weightFiles: async path => {
    if (path.endsWith('.safetensors')) return [path]
    const names = await fileSystem().readdir(path)
    return names.filter(name => name.endsWith('.safetensors')).map(name => within(path, name))
  },
  writer: {
    holds: ['language', 'encoder', 'image'],
    options: ['dtype'],
    packs: true,
    prompts: true,
    sink: async () => {
      const { huggingFaceSink } = await import('@tersor/formats/huggingface')
      return (path, model, options) => huggingFaceSink(path, { ...options, ...filesOf(model), config: model.rawConfig })
    },
    runtime: NO_RUNTIME,
  },
}

/** The side files that a model came with. */
export const filesOf = (model: object): { readonly files?: Readonly<Record<string, Uint8Array>> } => {
  const { files } = model as { readonly files?: Readonly<Record<string, Uint8Array>> }
  return files ? { files } : {}
}
