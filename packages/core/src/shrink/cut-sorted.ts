import { CompressionError } from '@tersor/tensor'
import type { Change, Coupling, Sorted } from '../model/coupling.js'
import type { Model } from '../model/model.js'
import { blockShares } from './block-shares.js'
import { shrunk } from './shrink.js'

const checkShare = (share: number): void => {
  if (Number.isFinite(share) && share > 0 && share <= 1) return
  throw new CompressionError('BAD_OPTION', `A cut keeps a share of the units, got ${share}.`, 'Give a number above 0, and 1 at most.', {
    share,
  })
}

const sortedOf = ({ sorted }: Model): Sorted => {
  if (sorted) return sorted
  throw new CompressionError(
    'UNSUPPORTED',
    'The units of this model stand in no order of their worth, so its first ones are no better than others.',
    'Sort it first, by uniql of @tersor/pruning, and save it as a Hugging Face folder, whose config says so.',
  )
}

/** A multiple near a share of so many units. */
const countOf = (share: number, units: number, multiple: number): number =>
  Math.min(units, Math.round((share * units) / multiple) * multiple)

/** What is asked of all blocks, and what a block keeps for that. */
interface Shares {
  readonly share: number
  readonly kept: number
}

/** The first units of each group that are left of a share, a multiple of what the order says; some wherever all blocks together keep some. */
const firstUnits = (coupling: Coupling, { share, kept }: Shares, multiple: number): readonly number[] => {
  const { name, units, perGroup = units } = coupling
  if (countOf(share, perGroup, multiple) === 0)
    throw new CompressionError(
      'BAD_OPTION',
      `A share of ${Number(share.toPrecision(3))} leaves "${name}" none of its ${perGroup} units, which go by ${multiple}.`,
      'Cut less, or sort with a smaller multiple.',
      { coupling: name, share, multiple },
    )
  const count = Math.max(Math.min(multiple, perGroup), countOf(kept, perGroup, multiple))
  return Array.from({ length: units / perGroup }, (_, group) => group).flatMap(group =>
    Array.from({ length: count }, (_, unit) => group * perGroup + unit),
  )
}

/** What each block keeps, by the name that its couplings begin with. */
const keptOf = (blocks: Model['blocks'] = [], { influence }: Sorted, share: number): ((name: string) => number) => {
  const whole = blocks.filter(({ kind }) => kind === 'whole')
  if (!influence || influence.length !== whole.length) return () => share
  const lost = blockShares(influence, 1 - share)
  return name => {
    const block = whole.findIndex(each => name.startsWith(`${each.name}.`))
    return block < 0 ? share : 1 - lost[block]
  }
}

/**
 * What a share leaves of a sorted network: of each coupling its first units.
 * Throws UNSUPPORTED for a network that is not sorted, BAD_OPTION for a share that leaves nothing.
 */
export const firstUnitsOf = (model: Model, share: number): Change => {
  const sorted = sortedOf(model)
  checkShare(share)
  const kept = keptOf(model.blocks, sorted, share)
  const keep = new Map<string, readonly number[]>()
  for (const coupling of model.couplings ?? []) {
    const multiple = sorted.multiples[coupling.kind]
    if (multiple !== undefined) keep.set(coupling.name, firstUnits(coupling, { share, kept: kept(coupling.name) }, multiple))
  }
  return { keep }
}

/**
 * A sorted network with a share of its units, the first ones: what `shrink` makes of `firstUnitsOf`, cut when it is read, so that nothing is written and
 * memory is one parameter. Closing it closes the model.
 * Throws as `firstUnitsOf` does; COMPOSITION for a compressed weight whose codec cannot be cut there.
 */
export const cutSorted = async <M extends Model>(model: M, share: number, signal?: AbortSignal): Promise<M> => {
  const { params, over } = await shrunk(model, firstUnitsOf(model, share), signal)
  return over(params)
}
