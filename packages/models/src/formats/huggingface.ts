import { within } from '@tersor/formats/internal/files/file-system'
import type { RawConfig } from '../networks/raw-config.js'
import { fileSystem, type Format } from './format.js'

/** What a loader of trees would be. */
const NO_RUNTIME = 'transformers, which reads Hugging Face folders without trees of Tersor, does not run in Node'

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
    sink: async ({ dtype }) => {
      const { huggingFaceSink } = await import('@tersor/formats/huggingface')
      return (path, model, options) => huggingFaceSink(path, { ...options, ...filesOf(model), config: configIn(model.rawConfig, dtype) })
    },
    runtime: NO_RUNTIME,
  },
}

/** The side files that a model came with. */
export const filesOf = (model: object): { readonly files?: Readonly<Record<string, Uint8Array>> } => {
  const { files } = model as { readonly files?: Readonly<Record<string, Uint8Array>> }
  return files ? { files } : {}
}

/** Names that transformers has for floats. */
const TORCH: Readonly<Record<string, string>> = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' }

/** A config that says what its floats are now, where it says so at all. */
export const configIn = (config: RawConfig, dtype: string | undefined): RawConfig => {
  if (dtype === undefined) return config
  const keys = ['dtype', 'torch_dtype'].filter(key => typeof config[key] === 'string')
  return { ...config, ...Object.fromEntries(keys.map(key => [key, TORCH[dtype]])) }
}
