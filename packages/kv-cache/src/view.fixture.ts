import * as tf from '@tensorflow/tfjs-core'
import { createRng, type AttentionFacts, type CachePolicy, type CacheView, type EntriesView, type Features } from '@tersor/core'

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
