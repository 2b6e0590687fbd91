import { CompressionError } from '@tersor/tensor'
import type { Change, Coupling, Selection } from '../model/coupling.js'
import type { Model } from '../model/model.js'
import { inTheirGroups } from './spans.js'

/** Enough to see what is meant. */
const LISTED = 4

const listOf = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : names.slice(0, LISTED).join(', ') + (names.length > LISTED ? ` and ${names.length - LISTED} more` : '')

const bad = (what: string, remedy: string, fields: Readonly<Record<string, unknown>>): CompressionError =>
  new CompressionError('BAD_OPTION', what, remedy, fields)

/** Each unit is one that there is, and named once. */
const checkUnits = ({ name, units, kind }: Coupling, kept: readonly number[]): void => {
  const seen = new Set<number>()
  for (const unit of kept) {
    if (!Number.isInteger(unit) || unit < 0 || unit >= units)
      throw bad(`"${name}" has no unit ${unit}: it has ${units}, from 0 on.`, `Name units from 0 to ${units - 1}.`, {
        coupling: name,
        unit,
      })
    if (seen.has(unit)) throw bad(`"${name}" is to keep unit ${unit} twice.`, 'Name each unit once.', { coupling: name, unit })
    seen.add(unit)
  }
  if (kept.length > 0) return
  const remedy =
    kind === 'stream' ? 'Keep one channel of the stream at least.' : 'Keep one unit at least, or leave the block out (without).'
  throw bad(`"${name}" is to keep none of its ${units} units.`, remedy, { coupling: name })
}

/** The groups of a coupling that stay, where the units of another one are its groups. */
export const groupsOf = ({ units, perGroup = units, within }: Coupling, keep: Selection): readonly number[] =>
  (within === undefined ? undefined : keep.get(within)) ?? Array.from({ length: units / perGroup }, (_, group) => group)

/** Each group that stays keeps as many as the others. */
const checkGroups = (coupling: Coupling, kept: readonly number[], keep: Selection): void => {
  const { name, units, perGroup } = coupling
  if (perGroup === undefined) return
  const ofGroup = inTheirGroups(kept, perGroup, units / perGroup)
  const counts = groupsOf(coupling, keep).map(group => ofGroup[group].length)
  const other = counts.findIndex(count => count !== counts[0])
  if (other < 0 && counts[0] > 0) return
  const what =
    other < 0
      ? `None of the groups of "${name}" that stay keeps a unit.`
      : `A group of "${name}" keeps ${counts[other]} of its ${perGroup} units, another one ${counts[0]}.`
  throw bad(what, 'Keep as many units in every group, one at least.', { coupling: name, counts })
}

const checkLeast = ({ name, least = 1 }: Coupling, kept: readonly number[]): void => {
  if (kept.length >= least) return
  throw bad(`"${name}" is to keep ${kept.length} units, and ${least} are used at once.`, `Keep ${least} units at least.`, {
    coupling: name,
    least,
  })
}

const checkBlocks = ({ blocks = [] }: Model, without: ReadonlySet<string>): void => {
  const names = blocks.map(({ name }) => name)
  for (const name of without)
    if (!names.includes(name)) throw bad(`There is no block "${name}".`, `Blocks are ${listOf(names)}.`, { block: name, names })
}

/** Throws BAD_OPTION for couplings, units and blocks that there are not, units named twice, groups of another count, and what leaves nothing. */
export const checkChange = (model: Model, { keep = new Map(), without = new Set() }: Change): void => {
  const couplings = new Map((model.couplings ?? []).map(coupling => [coupling.name, coupling]))
  for (const [name, kept] of keep) {
    const coupling = couplings.get(name)
    if (!coupling) throw bad(`There is no coupling "${name}".`, `Couplings are ${listOf([...couplings.keys()])}.`, { coupling: name })
    checkUnits(coupling, kept)
    checkLeast(coupling, kept)
    checkGroups(coupling, kept, keep)
  }
  checkBlocks(model, without)
}
