import type { Method } from '../step/method.js'
import { matcher } from './patterns.js'
import type { Patterns } from './pattern-text.js'
import { sitesOf, type Model, type OtherWeight, type Site } from './model.js'
import { CompressionError } from '@tersor/tensor'

/** What of a method says where it works. */
export type Selecting = Pick<Method, 'name' | 'only' | 'except' | 'accepts'>

/** Whether a method works on a site: named by `only`, or by default any but embeddings and the head; none that `except` names. */
export const selects = ({ only, except, ...method }: Selecting, also?: (site: Site) => boolean): ((site: Site) => boolean) => {
  const isNamed = only === undefined ? (_name: string, usual: boolean) => usual : matcher(only)
  const isLeft = except === undefined ? () => false : matcher(except)
  return site => {
    const chosen = isNamed(site.name, site.kind !== 'embedding' && !site.head)
    return chosen && !isLeft(site.name) && (method.accepts?.(site) ?? true) && (also?.(site) ?? true)
  }
}

/** Where weights stand that are no sites, the largest first. */
export const othersText = (others: readonly OtherWeight[]): string => {
  if (others.length === 0) return 'nothing in it multiplies by a weight'
  const listed = others
    .slice(0, 4)
    .map(({ name, operator, bytes }) => `${operator} takes ${JSON.stringify(name.slice(0, 80))} (${bytes} bytes)`)
  return `${listed.join(', ')}${others.length > 4 ? ` … (${others.length})` : ''}`
}

const patternsText = (option: string, patterns: Patterns | undefined): string =>
  patterns === undefined
    ? ''
    : ` with ${option} = ${typeof patterns === 'string' ? JSON.stringify(patterns) : JSON.stringify(patterns).replaceAll(',', ', ')}`

/** The selected sites; throws NOT_FOUND where there is none, since a step that does nothing is a mistake. */
export const selectedSites = (model: Model, method: Selecting, selected: (site: Site) => boolean): readonly Site[] => {
  const sites = sitesOf(model).filter(selected)
  if (sites.length > 0) return sites
  const names = sitesOf(model).map(site => site.name)
  const known = `${names.slice(0, 4).join(', ')}${names.length > 4 ? ` … (${names.length})` : ''}`
  throw new CompressionError(
    'NOT_FOUND',
    `${method.name} finds no site to work on${patternsText('only', method.only)}${patternsText('except', method.except)}.`,
    names.length > 0 ? `The model's sites are ${known}.` : `The model has no sites: ${othersText(model.others ?? [])}.`,
    { method: method.name, only: method.only, except: method.except },
  )
}
