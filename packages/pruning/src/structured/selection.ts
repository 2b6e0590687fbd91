import type { Coupling, Selection } from '@tersor/core'

/** What makes scores of one coupling fit to be compared with those of another: s / mean, or (s − mean) / deviation. */
export type Normaliser = 'mean' | 'gaussian'

export interface Share {
  /** Of the units of each coupling, or of all of them together. */
  readonly keep: number
  /** Units are compared with those of their coupling, or with those of all couplings of their kind, each normalised by its own unless they compare as they are. */
  readonly among: 'coupling' | 'kind'
  /** How couplings are made comparable; by their means where absent. */
  readonly normaliser?: Normaliser
  /** Counts are multiples of this, rounded down. */
  readonly multiple: number
  /** Whether scores of different couplings compare as they are. */
  readonly comparable?: boolean
}

/** The units with the largest scores, ascending; of equal ones the first. */
const largest = (scores: ArrayLike<number>, units: readonly number[], count: number): readonly number[] =>
  [...units]
    .sort((a, b) => scores[b] - scores[a] || a - b)
    .slice(0, count)
    .sort((a, b) => a - b)

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i)

/** So many units stay of so many: a multiple where one is asked for, and never fewer than there must be. */
const countOf = (wanted: number, units: number, least: number, multiple: number): number =>
  Math.min(units, Math.max(least, multiple, Math.floor(wanted / multiple) * multiple))

/** A hair, so that 0.7 · 10 is 7. */
const EPSILON = 1e-9

const within = ({ units, perGroup = units, least = 1 }: Coupling, scores: Float64Array, { keep, multiple }: Share): readonly number[] => {
  const count = countOf(keep * perGroup + EPSILON, perGroup, perGroup === units ? least : 1, multiple)
  return upTo(units / perGroup).flatMap(group => largest(scores, upTo(perGroup).map(unit => group * perGroup + unit), count)) // prettier-ignore
}

/** The score at which as many stay as are asked for, among all couplings of a kind. */
const thresholdOf = (scores: readonly Float64Array[], keep: number): number => {
  const all = scores.flatMap(each => [...each]).sort((a, b) => b - a)
  return all[Math.max(0, Math.ceil(keep * all.length - EPSILON) - 1)]
}

/** The mean of those that are left: those that went before have no score. */
const meanOf = (values: Float64Array): number => {
  const left = values.filter(Number.isFinite)
  return left.reduce((sum, value) => sum + value, 0) / left.length
}

const NORMALISED: Readonly<Record<Normaliser, (scores: Float64Array) => Float64Array>> = {
  mean: scores => {
    const mean = meanOf(scores)
    return mean === 0 ? scores : scores.map(score => score / mean)
  },
  gaussian: scores => {
    const mean = meanOf(scores)
    const deviation = Math.sqrt(meanOf(scores.map(score => (score - mean) ** 2)))
    return scores.map(score => (deviation === 0 && Number.isFinite(score) ? 0 : (score - mean) / deviation))
  },
}

/**
 * Which units stay of each coupling, by scores in the order of the couplings. Units in groups, such as query heads, are compared within their
 * group, each of which keeps as many.
 */
export const selectUnits = (couplings: readonly Coupling[], scores: readonly Float64Array[], share: Share): Selection => {
  const keep = new Map<string, readonly number[]>()
  for (const kind of new Set(couplings.map(coupling => coupling.kind))) {
    const of = upTo(couplings.length).filter(i => couplings[i].kind === kind)
    const compared = share.among === 'kind' ? of.filter(i => couplings[i].perGroup === undefined) : []
    const normalised = NORMALISED[share.normaliser ?? 'mean']
    const relative = new Map(compared.map(i => [i, share.comparable ? scores[i] : normalised(scores[i])]))
    const threshold = compared.length === 0 ? 0 : thresholdOf([...relative.values()], share.keep)
    for (const i of of) {
      const { name, units, least = 1 } = couplings[i]
      const above = relative.get(i)
      if (!above) keep.set(name, within(couplings[i], scores[i], share))
      else
        keep.set(name, largest(above, upTo(units), countOf(above.filter(score => score >= threshold).length, units, least, share.multiple)))
    }
  }
  return keep
}
