import { CompressionError, takeAlong, type Parameter } from '@tersor/tensor'
import type { Change, Coupling, Rescaling } from '../model/coupling.js'
import { scaleChannels } from '../model/scale-channels.js'
import { groupsOf } from './check-change.js'
import { keptAlong, type Cut } from './spans.js'

/** What happens to one parameter: channels that are multiplied by a factor, then axes of which some positions stay. */
export interface Cuts {
  readonly rescaled: readonly { readonly channels: Rescaling; readonly factor: number }[]
  readonly axes: ReadonlyMap<number, readonly Cut[]>
}

/** The units of a coupling that stay, without those of groups that go. */
export const keptUnits = (coupling: Coupling, { keep = new Map() }: Change): readonly number[] | undefined => {
  const { name, units, perGroup = units } = coupling
  const kept = keep.get(name)
  if (!kept || coupling.within === undefined) return kept
  const groups = new Set(groupsOf(coupling, keep))
  return kept.filter(unit => groups.has(Math.floor(unit / perGroup)))
}

/** What a change does to each parameter, by name. */
export const cutsOf = (couplings: readonly Coupling[], change: Change): ReadonlyMap<string, Cuts> => {
  const all = new Map<string, { rescaled: Cuts['rescaled'][number][]; axes: Map<number, Cut[]> }>()
  const of = (name: string) => {
    if (!all.has(name)) all.set(name, { rescaled: [], axes: new Map() })
    return all.get(name)!
  }
  for (const coupling of couplings) {
    const kept = change.keep?.get(coupling.name)
    if (!kept) continue
    for (const span of coupling.members) {
      const { axes } = of(span.parameter)
      axes.set(span.axis, [...(axes.get(span.axis) ?? []), { coupling, span, kept }])
    }
    const ratio = kept.length / coupling.units
    for (const channels of ratio === 1 ? [] : (coupling.rescaled ?? []))
      of(channels.parameter).rescaled.push({ channels, factor: ratio ** channels.power })
  }
  return all
}

const refusal = (name: string, codec: string, why: string): CompressionError =>
  new CompressionError(
    'COMPOSITION',
    `"${name}" is compressed (${codec}) and cannot be cut so: ${why}.`,
    'Cut the network before the step that compressed it, or keep what its form can be cut to.',
    { name, codec },
  )

/** A parameter of which some positions of an axis stay; throws COMPOSITION for a tree whose codec cannot be cut there. */
const take = (name: string, parameter: Parameter, axis: number, kept: Int32Array): Parameter => {
  if (parameter.kind === 'dense') return takeAlong(parameter, axis, kept)
  const { codec } = parameter
  const cut = codec.cut?.(parameter, axis, kept, (part, along, positions) => take(name, part, along, positions))
  if (typeof cut === 'object') return cut
  throw refusal(name, codec.name, cut ?? 'its parts stand for all of it together')
}

const rescale = (name: string, parameter: Parameter, { channels, factor }: Cuts['rescaled'][number]): Parameter => {
  if (parameter.kind === 'encoded') throw refusal(name, parameter.codec.name, 'its channels would be multiplied')
  return scaleChannels(parameter, channels, () => factor, parameter.dtype)
}

/** What a change makes of a parameter. Throws COMPOSITION for a tree whose codec cannot be cut there. */
export const cutParameter = (name: string, parameter: Parameter, cuts: Cuts | undefined): Parameter => {
  if (!cuts) return parameter
  const scaled = cuts.rescaled.reduce((current, each) => rescale(name, current, each), parameter)
  return [...cuts.axes].reduce((current, [axis, each]) => {
    const kept = keptAlong(parameter.shape[axis], each)
    const isWhole = kept.length === parameter.shape[axis] && kept.every((position, place) => position === place)
    return isWhole ? current : take(name, current, axis, kept)
  }, scaled)
}
