import { preprocessingOf, readPreprocessing, type Preprocessing } from '@tersor/evaluation'
import type { OpenedModel } from '@tersor/models'
import { hasCode } from '@tersor/tensor'
import { dirname, join } from 'node:path'

/** Where a graph's preprocessing is declared. */
const FILE = 'preprocessing.json'

/** What a graph wants done to pixels: what preprocessing.json beside it declares, and the rest by its input. */
export const preprocessingBeside = async (model: Extract<OpenedModel, { family: 'graph' }>, path: string): Promise<Preprocessing> => {
  const declared = await readPreprocessing(join(dirname(path), FILE)).catch((error: unknown) => {
    if (hasCode(error, 'NOT_FOUND')) return {}
    throw error
  })
  return preprocessingOf(model.inputs[0].shape, declared)
}
