import type { OpenedModel } from '@tersor/models/open-model'
import { TARGETS, type TargetName } from '../targets/targets.js'
import { pageFormat } from './page-formats.js'

/** A runtime that a model may be made for here, and the bits that it takes. */
export interface OfferedTarget {
  readonly name: TargetName
  readonly bits: readonly number[]
  /** Those that its users would choose for this model. */
  readonly usual: number
}

/** The runtimes that a page can make a model for: graphs stay in their own format, networks go where there is a place for their kind. */
export const targetsFor = async (model: OpenedModel): Promise<readonly OfferedTarget[]> => {
  const targets = await Promise.all(Object.values(TARGETS).map(load => load()))
  return targets
    .filter(({ formats: [first] }) => {
      const writer = pageFormat(first)?.writer
      return model.family === 'graph' ? first === model.format : (writer?.holds.includes(model.family) ?? false)
    })
    .map(target => ({ name: target.name as TargetName, bits: target.bits, usual: target.usualBits(model) }))
}
