import type { Block, Change, Member, Site, Span } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { biasOf } from './layers.js'

/** Where a linear layer stands among the rows of its weight. */
export interface Place {
  readonly site: Site
  /** First of its output channels, where one weight holds several layers. */
  readonly start: number
}

/** Units on the output axis of a linear layer and in its bias. */
export const axisMembers = (
  { site, start, bias }: Place & { readonly bias: boolean },
  role: Member['role'],
  span: Omit<Span, 'parameter' | 'axis' | 'start'> = {},
): readonly Member[] => [
  { parameter: site.weight, axis: site.outAxis, start, ...span, role },
  ...(bias ? [{ parameter: biasOf(site), axis: 0, start, ...span, role }] : []),
]

const moduleOf = (parameter: string): string => parameter.replace(/\.[^.]*$/, '')

/** Whether a parameter goes with the blocks that are left out, with what stands beside it, such as the grid of a site's inputs. */
export const goneWith = (blocks: readonly Block[], without: ReadonlySet<string>): ((name: string) => boolean) => {
  const modules = new Set(blocks.filter(({ name }) => without.has(name)).flatMap(({ parameters }) => parameters.map(moduleOf)))
  return name => modules.has(moduleOf(name))
}

/** How many units of a coupling stay; all where it is not named. */
export const leftOf = (name: string, all: number, { keep }: Change): number => keep?.get(name)?.length ?? all

/** Counts the blocks that stay anew: the old index of each. Throws BAD_OPTION where none does. */
export const stayingLayers = (layers: number, nameOf: (layer: number) => string, { without }: Change): readonly number[] => {
  const staying = Array.from({ length: layers }, (_, layer) => layer).filter(layer => !without?.has(nameOf(layer)))
  if (staying.length > 0) return staying
  throw new CompressionError('BAD_OPTION', `All ${layers} blocks would be left out.`, 'Keep one block at least.', { layers })
}
