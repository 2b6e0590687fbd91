/** Texts of the bundled model with their caches. */
import { storeCaches } from '@tersor/core'
import { openSession, type LanguageModel } from '@tersor/models'
import { toFloat32, type Dense } from '@tersor/tensor'
import { openBundled } from '../bundled-model.js'

/** Keys or values of a layer, as a storage takes them. */
export interface LayerPart {
  readonly entries: { readonly values: Float32Array; readonly shape: readonly [number, number, number] }
  readonly place: { readonly layer: number; readonly of: number; readonly part: 'keys' | 'values' }
}

let opened: ReturnType<typeof openBundled> | undefined
/** The model and its validation windows. */
export const bundledTexts = () => (opened ??= openBundled())

/** What the caches of a text hold. */
export const partsAfter = async (model: LanguageModel, ids: readonly number[]): Promise<readonly LayerPart[]> => {
  const session = await openSession(model)
  try {
    await session.append(ids)
    const { facts, parameters } = await storeCaches(session.caches)
    return facts.layers.flatMap((_, layer) =>
      (['keys', 'values'] as const).map((part): LayerPart => {
        const stored = parameters[`layers.${layer}.parts.0.${part}`] as Dense
        const [rows, entries, size] = stored.shape
        return { entries: { values: toFloat32(stored), shape: [rows, entries, size] }, place: { layer, of: facts.layers.length, part } }
      }),
    )
  } finally {
    session.dispose()
  }
}
