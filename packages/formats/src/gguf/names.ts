import { CompressionError } from '@tersor/tensor'
import { LAYER_MODULES, MODULES } from './tables/architectures.js'

const invert = (table: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(table).map(([hub, file]) => [file, hub]))

const HUB_MODULES = invert(MODULES)
const HUB_LAYER_MODULES = invert(LAYER_MODULES)
const TO_GGUF = new Map(Object.entries(MODULES))
const LAYER_TO_GGUF = new Map(Object.entries(LAYER_MODULES))

const mapName = (
  name: string,
  pattern: RegExp,
  prefix: string,
  modules: ReadonlyMap<string, string>,
  layers: ReadonlyMap<string, string>,
): string | undefined => {
  const kind = /\.(weight|bias)$/.exec(name)?.[0]
  if (kind === undefined) return undefined
  const module = name.slice(0, -kind.length)
  const layer = pattern.exec(module)
  const mapped = layer ? layers.get(layer[2]) : modules.get(module)
  return mapped && (layer ? `${prefix}${layer[1]}.${mapped}${kind}` : mapped + kind)
}

/** model.layers.3.mlp.up_proj.weight → blk.3.ffn_up.weight; throws UNSUPPORTED for a name that llama.cpp has no place for. */
export const toGgufName = (name: string): string => {
  const mapped = mapName(name, /^model\.layers\.(\d+)\.(.+)$/, 'blk.', TO_GGUF, LAYER_TO_GGUF)
  if (mapped) return mapped
  throw new CompressionError('UNSUPPORTED', `GGUF has no place for "${name}".`, 'Leave it out, or save as a Hugging Face folder.', { name })
}

/** The inverse; undefined for tensors that have no parameter on the hub. */
export const toHubName = (name: string): string | undefined =>
  mapName(name, /^blk\.(\d+)\.(.+)$/, 'model.layers.', HUB_MODULES, HUB_LAYER_MODULES)
