import { CompressionError } from '@tersor/tensor'
import { oneLine } from '../files/bad-file.js'
import { EXPERT_MODULES, LAYER_MODULES, MODULES, type ExpertNames } from './tables/architectures.js'

const invert = (table: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(table).map(([hub, file]) => [file, hub]))

const TO_GGUF = new Map(Object.entries(MODULES))
const LAYER_TO_GGUF = new Map(Object.entries({ ...LAYER_MODULES, ...Object.assign({}, ...Object.values(EXPERT_MODULES).map(({ modules }) => modules)) }) as [string, string][]) // prettier-ignore
const HUB_MODULES = invert(MODULES)
const HUB_LAYER_MODULES = invert(LAYER_MODULES)

/** The module of one expert within its layer: where it stands, its number, its part. */
const EXPERT = /^(.+)\.experts\.(\d+)\.(\w+)$/

const STACKS = new Map(
  Object.values(EXPERT_MODULES).flatMap(({ place, parts }) =>
    Object.entries(parts).map(([part, stack]) => [`${place}.${part}`, stack] as const),
  ),
)

/** Where a parameter stands in a GGUF file; experts are one behind the other in a tensor with an axis more. */
export interface GgufPlace {
  readonly name: string
  /** Its place in the stack of experts. */
  readonly expert?: number
}

const layerPlace = (layer: string, module: string, kind: string): GgufPlace | undefined => {
  const [, place, expert, part] = EXPERT.exec(module) ?? []
  if (place === undefined) {
    const mapped = LAYER_TO_GGUF.get(module)
    return mapped === undefined ? undefined : { name: `blk.${layer}.${mapped}${kind}` }
  }
  const stack = STACKS.get(`${place}.${part}`)
  return stack === undefined ? undefined : { name: `blk.${layer}.${stack}${kind}`, expert: Number(expert) }
}

const placeOf = (name: string): GgufPlace | undefined => {
  const kind = /\.(weight|bias)$/.exec(name)?.[0]
  if (kind === undefined) return undefined
  const module = name.slice(0, -kind.length)
  const [, layer, inLayer] = /^model\.layers\.(\d+)\.(.+)$/.exec(module) ?? []
  if (layer !== undefined) return layerPlace(layer, inLayer, kind)
  const mapped = TO_GGUF.get(module)
  return mapped === undefined ? undefined : { name: mapped + kind }
}

/** Tensors that only layers of experts have. */
const OF_EXPERTS = /_exps\.|_shexp\.|\.ffn_gate_inp\./

/**
 * model.layers.3.mlp.up_proj.weight → blk.3.ffn_up.weight, model.layers.3.mlp.experts.5.up_proj.weight → expert 5 of
 * blk.3.ffn_up_exps.weight; throws UNSUPPORTED for a name that llama.cpp has no place for, be it for want of experts.
 */
export const toGgufPlace = (name: string, hasExperts = true): GgufPlace => {
  const found = placeOf(name)
  if (found && (hasExperts || !OF_EXPERTS.test(found.name))) return found
  throw new CompressionError(
    'UNSUPPORTED',
    oneLine(`GGUF has no place for ${JSON.stringify(name)}.`),
    'Leave it out, or save as a Hugging Face folder.',
    { name },
  )
}

/** The inverse; undefined for tensors that have no parameter on the hub, and for stacks. */
export const toHubName = (name: string, experts: ExpertNames | undefined): string | undefined => {
  const kind = /\.(weight|bias)$/.exec(name)?.[0]
  if (kind === undefined) return undefined
  const module = name.slice(0, -kind.length)
  const [, layer, inLayer] = /^blk\.(\d+)\.(.+)$/.exec(module) ?? []
  if (layer === undefined) return HUB_MODULES.has(module) ? HUB_MODULES.get(module)! + kind : undefined
  const ofExperts = Object.entries(experts?.modules ?? {}).find(([, file]) => file === inLayer)?.[0]
  const hub = ofExperts ?? HUB_LAYER_MODULES.get(inLayer)
  return hub && `model.layers.${layer}.${hub}${kind}`
}

/** The names of the experts in a stack, by their number; undefined for other tensors. */
export const expertNames = (name: string, experts: ExpertNames): ((expert: number) => string) | undefined => {
  const [, layer, stack, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? []
  const part = Object.entries(experts.parts).find(([, file]) => file === stack)?.[0]
  return part === undefined ? undefined : expert => `model.layers.${layer}.${experts.place}.experts.${expert}.${part}.${kind}`
}
