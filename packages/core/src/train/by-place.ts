import { CompressionError } from '@tersor/tensor'
import { matcher } from '../model/patterns.js'
import { selectedSites, selects } from '../model/select-sites.js'
import { sitesOf, type Model, type Site } from '../model/model.js'
import { frozen } from './frozen.js'
import type { TrainedName } from './gradient-transform.js'
import type { Treatment } from './leaves.js'
import type { Parametrization } from './parametrization.js'

/** How a parameter is trained: made anew by a parametrization, or by its own numbers. */
export type How = Parametrization | Treatment

/** Several, each for the parameters that it is meant for. */
export interface ByPlace {
  readonly name: string
  readonly cases: readonly (readonly [select: (place: TrainedName) => boolean, how: How])[]
}

/**
 * Trains parameters in different ways, each in the first whose test says so:
 * `byPlace([({ site }) => site !== undefined, lora({ rank: 8 })], [() => true, frozen])`. What no test chooses is trained by its own numbers.
 * A parametrization is asked at sites alone, and leaves embeddings and the head alone unless its `only` names them.
 */
export const byPlace = (...cases: ByPlace['cases']): ByPlace => Object.freeze({ name: 'by-place', cases: Object.freeze([...cases]) })

/** How a parameter of the model is trained, where not by all of its floats. */
export interface Chosen {
  readonly how: How
  readonly site?: Site
}

export const isTreatment = (how: How): how is Treatment => 'node' in how

const matches = (how: How, name: string, site: Site | undefined): boolean => {
  if (!isTreatment(how)) return site !== undefined && selects(how)(site)
  if (how.only === undefined) return true
  const named = matcher(how.only)
  return named(name) || (site !== undefined && named(site.name))
}

const chooseIn = ({ cases }: ByPlace, model: Model, names: readonly string[]): ReadonlyMap<string, Chosen> => {
  const sites = sitesOf(model)
  const chosen = new Map<string, Chosen>()
  const used = new Set<number>()
  for (const name of names) {
    const own = sites.filter(({ weight }) => weight === name)
    const places: readonly (Site | undefined)[] = own.length > 0 ? own : [undefined]
    const fits = (site: Site | undefined): number =>
      cases.findIndex(([select, how]) => select({ name, ...(site && { site }) }) && matches(how, name, site))
    const site = places.find(each => fits(each) >= 0)
    const index = fits(site)
    if (index < 0) continue
    used.add(index)
    chosen.set(name, { how: cases[index][1], ...(site && { site }) })
  }
  const idle = cases.findIndex(([, how], index) => how !== frozen && !used.has(index))
  if (idle < 0) return chosen
  throw new CompressionError(
    'NOT_FOUND',
    `The case of ${cases[idle][1].name}, number ${idle + 1} of byPlace, selects nothing that those before it leave.`,
    `The model's parameters are ${names.slice(0, 4).join(', ')}${names.length > 4 ? ` … (${names.length})` : ''}.`,
    { case: idle },
  )
}

/**
 * Which parameters are trained in which way; those that are absent by their floats. Of sites that share a weight, such as a tied head and its
 * embedding, the first is asked. Throws NOT_FOUND where something that was asked for chooses nothing.
 */
export const choose = (model: Model, names: readonly string[], how: How | ByPlace | undefined): ReadonlyMap<string, Chosen> => {
  if (!how) return new Map()
  if ('cases' in how) return chooseIn(how, model, names)
  if (isTreatment(how)) return chooseIn(byPlace([() => true, how]), model, names)
  const sites = [...selectedSites(model, how, selects(how))].reverse() // of sites that share a weight, the first has it
  return new Map(sites.map(site => [site.weight, { how, site }]))
}
