import * as tf from '@tensorflow/tfjs-core'
import { byteLength } from '@tersor/tensor'
import {
  createRng,
  decode,
  type AttentionFacts,
  type CacheEncoding,
  type CachePolicy,
  type CacheView,
  type EntriesView,
  type EncodingFeatures,
  type Features,
  type SummedShares,
} from '@tersor/core'

const FACTS: AttentionFacts = { heads: 1, keyHeads: 1, size: 2, scale: 1, positions: 'none' }

interface Given {
  /** Entries of each row that are seen in order. */
  readonly entries: number
  readonly rows?: number
  readonly features?: Partial<EntriesView & Features>
  readonly layer?: { readonly index: number; readonly of: number; readonly attention?: Partial<AttentionFacts> }
}

/** What a policy keeps of one layer whose entries are zeros where nothing else is given. */
export const keptBy = async (policy: CachePolicy, { entries, rows = 1, features = {}, layer }: Given): Promise<number[][] | 'all'> => {
  const positions = Array.from({ length: rows }, () => Int32Array.from({ length: entries }, (_, i) => i))
  const zeros = tf.zeros([rows, entries, 2])
  const part = { keys: zeros, values: zeros, positions, ...features } as EntriesView & Features
  const view: CacheView<keyof Features> = {
    parts: [part],
    batch: 1,
    ...{ seen: entries, next: entries, rng: createRng(1) },
    layer: { index: layer?.index ?? 0, of: layer?.of ?? 1, attention: { ...FACTS, ...layer?.attention } },
  }
  const kept = await policy.keep(view)
  zeros.dispose()
  return kept === 'all' ? kept : kept.map(places => [...places])
}

/** What one row becomes, decoded again: a part at a time, with its places and bytes. Keys are values too where no others are given. */
export const encodedBy = async (
  encoding: CacheEncoding,
  keys: readonly number[],
  size: number,
  given: { readonly values?: readonly number[]; readonly queries?: tf.Tensor4D; readonly shares?: SummedShares; readonly sharesOf?: (places: Int32Array) => SummedShares } = {}, // prettier-ignore
) => {
  const entries = keys.length / size
  const tensors = [keys, given.values ?? keys].map(each => tf.tensor3d([...each], [1, entries, size]))
  const { queries, shares, sharesOf } = given
  const features = { ...(queries && { queries }), ...(shares && { shares }) } as EncodingFeatures
  const leaving = {
    ...{ keys: tensors[0], values: tensors[1], positions: [Int32Array.from({ length: entries }, (_, i) => i)] },
    sharesOf: async (places: Int32Array) => sharesOf!(places),
    ...features,
  }
  const layer = { index: 0, of: 1, attention: { ...FACTS, size } }
  const parts = await encoding.encode(leaving, { seen: entries, next: entries, layer, batch: 1, rng: createRng(1) })
  tf.dispose(tensors)
  return parts.map(part => {
    const [k, v] = [part.keys, part.values].map(tree => {
      const tensor = decode(tree)
      const values = Array.from(tensor.dataSync())
      tensor.dispose()
      return values
    })
    return { keys: k, values: v, places: part.places?.map(list => [...list]), bytes: byteLength(part.keys) + byteLength(part.values) }
  })
}
