import {
  choice,
  defineEncoding,
  decode,
  knownFrequencies,
  positionedOf,
  projectedOf,
  required,
  tiledFrom,
  value,
  type EncodingView,
  type Leaving,
} from '@tersor/core'
import { CompressionError, type Dense, type Parameter } from '@tersor/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { besides, isBases } from './channel-bases.js'
import { exactOptions } from './exact-window.js'
import { unturned } from './low-rank-cache.js'
import { halvesOf } from './tensor-trees.js'

/** Beyond any number of entries or channels. */
const ALL = Number.MAX_SAFE_INTEGER
/** Entries of a block, for values features of an entry, that share a scale. */
const GROUP = 32

const refuse = (what: string, remedy: string): never => {
  throw new CompressionError('UNSUPPORTED', `cskv ${what}.`, remedy)
}

/** The positions that all heads have; features of an entry are those of all of them. */
const commonPositions = ({ positions }: Leaving, view: EncodingView): Int32Array => {
  const { keyHeads } = view.layer.attention
  const same = positions.every(list => list.every((position, i) => position === positions[0][i]))
  if (positions.length !== view.batch * keyHeads || !same)
    refuse('keeps what the heads of an entry have in common, and they hold different entries', 'Put a policy before it that keeps the same of all heads, such as streaming-llm.') // prettier-ignore
  return positions[0]
}

/** Features of heads side by side, x · Bᵀ, in 16 or 4 bits: of keys by channels, of values by entries. */
const featuresOf = async (x: tf.Tensor3D, basis: Dense, view: EncodingView, bits: 16 | 4, along: 'channel' | 'token') => {
  const { keyHeads: heads, size } = view.layer.attention
  if (basis.shape[1] !== heads * size)
    refuse(`has a basis of ${basis.shape[1]} channels for ${heads} heads of ${size}`, 'Fit channels to the very model.')
  const features = tf.tidy(() => {
    const all = tf.matMul(besides(x, heads), decode(basis) as tf.Tensor2D, false, true)
    return tf.reshape(all, [view.batch, x.shape[1], basis.shape[0]]) as tf.Tensor3D
  })
  if (bits === 16) return projectedOf(await halvesOf(features), basis, heads)
  const grid = along === 'channel' ? { height: GROUP, width: 1 } : { height: 1, width: basis.shape[0] % GROUP === 0 ? GROUP : ALL }
  try {
    return projectedOf(await tiledFrom(features, { bits, symmetric: false, ...grid }), basis, heads)
  } finally {
    features.dispose()
  }
}

/**
 * CSKV: keeps keys and values of all heads as fewer features, in directions that were fitted layer by layer, and the newest exactly.
 * k ≈ turn(k′ · B_Kᵀ · B_K), k′ the keys of all heads before they are turned by their position, v ≈ v · B_Vᵀ · B_V.
 * 16 or 4 bits for each feature instead of each channel; the bases take 16 · features · heads · size bits a layer, once.
 * Throws BAD_OPTION; UNSUPPORTED where heads hold different entries, and for a rotation that follows the text.
 * Wang et al. 2024, https://arxiv.org/abs/2409.10593
 */
export const cskv = defineEncoding({
  name: 'cskv',
  summary: 'keeps keys and values as fewer features, in directions that were fitted, and the newest exactly',
  paper: {
    title: 'CSKV: Training-Efficient Channel Shrinking for KV Cache in Long-Context Scenarios',
    authors: 'Wang et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2409.10593',
  },
  differs: 'features are made of keys and values and not of what these are made of, so weights stay as they are, and directions are the optimum of its layerwise loss, which needs no training', // prettier-ignore
  options: {
    bases: required(value({ of: 'bases', is: isBases, doc: 'the directions: what fitChannels of this model and some texts gave' })),
    bits: choice(['16', '4'], { default: '16', doc: 'of a feature' }),
    ...exactOptions({ recent: 32, block: 32 }),
  },
  make: ({ bases, bits: chosen, recent, block }) => {
    const bits = chosen === '16' ? 16 : 4
    return {
      kind: 'encoding',
      needs: {},
      exact: { recent, block },
      encode: async (leaving, view) => {
        const { index, of, attention } = view.layer
        if (bases.layers.length !== of) refuse(`has bases of ${bases.layers.length} layers for ${of}`, 'Fit channels to the very model.')
        const frequencies = knownFrequencies(attention, 'cskv')
        const at = commonPositions(leaving, view)
        const still = frequencies ? unturned(leaving.keys, at, frequencies) : tf.clone(leaving.keys)
        try {
          const features = await featuresOf(still, bases.layers[index].keys, view, bits, 'channel')
          const keys: Parameter = frequencies ? positionedOf(features, at, frequencies) : features
          return [{ keys, values: await featuresOf(leaving.values, bases.layers[index].values, view, bits, 'token') }]
        } finally {
          still.dispose()
        }
      },
    }
  },
})
