import { badFile } from './errors.js'

type Json = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as readonly unknown[]) : [])

/** Layers of a config, of a model inside of a model too; keys are written in either way. */
const layersOf = (config: unknown): readonly Json[] => listOf(isRecord(config) ? config.layers : undefined).filter(isRecord)
const callsOf = (layer: Json): readonly unknown[] => listOf(layer.inbound_nodes ?? layer.inboundNodes)

/** Nodes that a layer has before it is called: inputs have one, and models of layers. */
export const nodesBefore = (layer: Json): number =>
  (layer.class_name ?? layer.className) === 'InputLayer' || layersOf(layer.config).length > 0 ? 1 : 0

const refuseNames = (layers: readonly Json[]): void => {
  const names = new Set<unknown>()
  for (const { name, config } of layers) {
    if (typeof name !== 'string' || (isRecord(config) && config.name !== undefined && config.name !== name))
      throw badFile(`A layer has two names, or none: ${JSON.stringify(name)}.`)
    if (names.size === names.add(name).size) throw badFile(`Two layers have the name "${name}".`)
  }
}

/**
 * Calls the layers in an order that has every input before it is asked for, as tfjs does, which looks for one for ever where there is none.
 * Throws BAD_FILE for layers that wait for others that are not there, or for each other.
 */
const callAll = (layers: readonly Json[]): void => {
  if (layers.every(layer => callsOf(layer).length === 0)) return
  refuseNames(layers)
  const nodes = new Map(layers.map(layer => [layer.name, nodesBefore(layer)]))
  const isReady = (input: unknown): boolean => {
    const [name, index] = listOf(input)
    return nodes.has(name) && !(typeof index === 'number' && nodes.get(name)! <= index)
  }
  let waiting = layers.flatMap(layer => callsOf(layer).map(call => ({ name: layer.name, inputs: listOf(call) })))
  while (waiting.length > 0) {
    const still = waiting.filter(({ name, inputs }) => {
      if (!inputs.every(isReady)) return true
      nodes.set(name, nodes.get(name)! + 1)
      return false
    })
    if (still.length === waiting.length) throw badFile(`The layer "${String(still[0].name)}" waits for an input that no layer gives.`)
    waiting = still
  }
}

/** Throws BAD_FILE for a topology of layers that tfjs would never finish to put together. */
export const checkNodes = (topology: unknown): void => {
  if (!isRecord(topology)) return
  const config = topology.config ?? topology.model_config ?? topology.modelConfig
  const layers = layersOf(config)
  if (layers.length === 0) return checkNodes(config)
  callAll(layers)
  layers.forEach(checkNodes)
}
