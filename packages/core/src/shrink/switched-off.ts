import { clearAlong, CompressionError, fromFloat32, overlay, sizeOf, type Parameter, type ParameterStore } from '@tersor/tensor'
import { maskedOf } from '../codecs/masked.js'
import { quantizedActivations } from '../model/activation-grid.js'
import { positionsOver } from '../codecs/groups.js'
import type { Change, Coupling, Member } from '../model/coupling.js'
import type { Model } from '../model/model.js'
import { checkChange } from './check-change.js'
import { keptUnits } from './cuts.js'
import { resolveShares } from './shares.js'
import { unitsAlong } from './spans.js'

/** Positions along an axis that are switched off. */
interface Cleared {
  readonly axis: number
  readonly positions: readonly number[]
}

/** Units are switched off where they are read: a head whose queries are zero still looks at everything evenly. A stream, which norms take in as a whole, is switched off where it is written too. */
const isSwitched = ({ kind }: Coupling, { role }: Member): boolean => role === 'reads' || kind === 'stream'

/** The units of a coupling that go: those that are not kept, and those of groups that go. */
const goneOf = (coupling: Coupling, change: Change): ReadonlySet<number> => {
  const kept = keptUnits(coupling, change)
  if (!kept) return new Set()
  const gone = new Set(Array.from({ length: coupling.units }, (_, unit) => unit))
  kept.forEach(unit => gone.delete(unit))
  return gone
}

const clearedOf = ({ params, couplings = [] }: Model, change: Change): ReadonlyMap<string, readonly Cleared[]> => {
  const all = new Map<string, Cleared[]>()
  for (const coupling of couplings) {
    const gone = goneOf(coupling, change)
    if (gone.size === 0) continue
    if (coupling.centred)
      throw new CompressionError(
        'COMPOSITION',
        `"${coupling.name}" runs through layer norms, whose mean would count the zeros of a mask.`,
        'Shrink the network and compare its outputs with those of the large one.',
        { coupling: coupling.name },
      )
    for (const member of coupling.members.filter(each => isSwitched(coupling, each))) {
      const { parameter, axis } = member
      const units = unitsAlong(member, coupling.units, params.info(parameter).shape[axis])
      const positions = [...units.keys()].filter(position => gone.has(units[position]))
      all.set(parameter, [...(all.get(parameter) ?? []), { axis, positions }])
    }
  }
  return all
}

const silencedOf = ({ blocks = [] }: Model, { without = new Set() }: Change): ReadonlySet<string> =>
  new Set(
    blocks
      .filter(({ name }) => without.has(name))
      .flatMap(({ name, silencedBy }) => {
        if (silencedBy) return silencedBy
        throw new CompressionError(
          'COMPOSITION',
          `No zeros make "${name}" add nothing: norms stand behind its sums.`,
          'Shrink the network and compare its outputs with those of the large one.',
          { block: name },
        )
      }),
  )

const clear = (parameter: Parameter, { axis, positions }: Cleared): Parameter => {
  if (parameter.kind === 'dense') return clearAlong(parameter, axis, positions)
  const kept = new Uint8Array(sizeOf(parameter.shape)).fill(1)
  for (const at of positionsOver(parameter.shape, axis, positions)) kept[at] = 0
  return maskedOf(kept, parameter)
}

/** Small enough that its exponential is 0 in float32 beside any other logit. */
const NEVER = -1e9

/** Biases of routers that never choose the experts that go. */
const silencersOf = ({ couplings = [] }: Model, change: Change): ReadonlyMap<string, Parameter> =>
  new Map(
    couplings.flatMap(coupling => {
      if (coupling.silencer === undefined) return []
      const gone = goneOf(coupling, change)
      const biases = Float32Array.from({ length: coupling.units }, (_, unit) => (gone.has(unit) ? NEVER : 0))
      return [[coupling.silencer, fromFloat32(biases, 'f32', [coupling.units])] as const]
    }),
  )

const isRouted = ({ couplings = [] }: Model, name: string): boolean =>
  couplings.some(coupling => coupling.name === name && coupling.silencer !== undefined)

/**
 * The large network with the outputs of the one that `shrink` makes: units that go are zeros where they are read, a stream's where it is written
 * as well, blocks that are left out add nothing, and those that use another's weights read them. Weights are read and changed when they are asked for.
 * Throws BAD_OPTION as `shrink` does, COMPOSITION for streams through layer norms and for blocks that no zeros silence.
 */
export const switchedOff = <M extends Model>(model: M, change: Change): M => {
  checkChange(model, change)
  const { change: resolved, source } = resolveShares(model, change)
  const cleared = clearedOf(model, resolved)
  const silenced = silencedOf(model, resolved)
  const { params: given } = model
  const isChanged = (name: string): boolean => cleared.has(name) || silenced.has(name) || source(name) !== name
  const zero = (parameter: Parameter): Parameter =>
    clear(parameter, { axis: 0, positions: Array.from({ length: parameter.shape[0] }, (_, at) => at) })
  const params: ParameterStore = {
    ...given,
    info: name => given.info(source(name)),
    read: async (name, options) => {
      const parameter = await given.read(source(name), options)
      return silenced.has(name) ? zero(parameter) : (cleared.get(name) ?? []).reduce(clear, parameter)
    },
    ...(given.outline && { outline: (name: string) => (isChanged(name) ? undefined : given.outline!(name)) }),
  }
  const silencers =
    resolved.keep && [...resolved.keep.keys()].some(name => isRouted(model, name)) ? silencersOf(model, resolved) : undefined
  if (!silencers) return { ...model, params }
  const routed = overlay(params, silencers)
  return quantizedActivations({ ...model, ...model.with?.(routed), params: routed })
}
