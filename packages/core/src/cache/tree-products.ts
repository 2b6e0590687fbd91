import * as tf from '@tensorflow/tfjs-core'
import { multipliesTiles, queriesTimesCodes, sharesTimesCodes } from '@tersor/kernels/tile-products'
import type { Encoded, Parameter } from '@tersor/tensor'
import { tiledMatrices } from '../codecs/tiled.js'
import { hadamardColumns } from '../codecs/turned.js'
import { decode } from '../model/decode.js'

/** Products of some rows with trees of (rows, entries, size) that need no floats of all of it. */
interface Products {
  /** q · Wᵀ; q: (rows, queries, size), result (rows, queries, entries). */
  queries(q: tf.Tensor3D, tree: Encoded): tf.Tensor3D
  /** p · W; p: (rows, queries, entries), result (rows, queries, size). */
  shares(p: tf.Tensor3D, tree: Encoded): tf.Tensor3D
}

const decoded = (tree: Parameter): tf.Tensor3D => decode(tree) as tf.Tensor3D

const asFloats: Products = {
  queries: (q, tree) => tf.matMul(q, decoded(tree), false, true),
  shares: (p, tree) => tf.matMul(p, decoded(tree)),
}

/** By codec; trees of others are decoded first. */
const PRODUCTS: Readonly<Record<string, Products>> = {
  tiled: {
    queries: (q, tree) => {
      const codes = tiledMatrices(tree)
      return multipliesTiles(codes, q.shape[1]) ? queriesTimesCodes(q, codes) : asFloats.queries(q, tree)
    },
    shares: (p, tree) => {
      const codes = tiledMatrices(tree)
      return multipliesTiles(codes, p.shape[1]) ? sharesTimesCodes(p, codes) : asFloats.shares(p, tree)
    },
  },
  stretched: {
    queries: (q, { parts }) => queriesTimes(tf.mul(q, decoded(parts.factor)), parts.values),
    shares: (p, { parts }) => tf.mul(sharesTimes(p, parts.values), decoded(parts.factor)),
  },
  turned: {
    queries: (q, { parts }) => queriesTimes(hadamardColumns(q), parts.values),
    shares: (p, { parts }) => hadamardColumns(sharesTimes(p, parts.values)),
  },
  sum: {
    queries: (q, { parts }) => tf.add(queriesTimes(q, parts.base), queriesTimes(q, parts.update)),
    shares: (p, { parts }) => tf.add(sharesTimes(p, parts.base), sharesTimes(p, parts.update)),
  },
  factored: {
    queries: (q, { parts }) => queriesTimes(tf.matMul<tf.Tensor3D>(q, decoded(parts.v), false, true), parts.u), // (q · vᵀ) · uᵀ
    shares: (p, { parts }) => tf.matMul(sharesTimes(p, parts.u), decoded(parts.v)),
  },
  projected: {
    queries: (q, tree) => {
      const inside = bySequence(tf.matMul<tf.Tensor3D>(q, basisOf(tree), false, true), tree.attrs.heads as number)
      return tf.reshape(queriesTimes(inside, tree.parts.features), [q.shape[0], q.shape[1], tree.shape[1]])
    },
    shares: (p, tree) => {
      const mixed = sharesTimes(bySequence(p, tree.attrs.heads as number), tree.parts.features)
      return tf.matMul(tf.reshape(mixed, [p.shape[0], p.shape[1], -1]) as tf.Tensor3D, basisOf(tree))
    },
  },
}

/** The basis of each row, (rows, features, size). */
const basisOf = ({ parts, attrs, shape: [rows, , size] }: Encoded): tf.Tensor3D => {
  const heads = attrs.heads as number
  const each = tf.transpose(tf.reshape(decode(parts.basis), [-1, heads, size]), [1, 0, 2])
  return (rows === heads ? each : tf.tile(each, [rows / heads, 1, 1])) as tf.Tensor3D
}

/** Rows (batch · heads, …) as those of sequences, whose heads have their features in common. */
const bySequence = (x: tf.Tensor3D, heads: number): tf.Tensor3D => tf.reshape(x, [x.shape[0] / heads, heads * x.shape[1], x.shape[2]])

const productsOf = (tree: Encoded): Products => PRODUCTS[tree.codec.name] ?? asFloats

/** q · Wᵀ of a tree W, (rows, entries, size), inside a tidy; q: (rows, queries, size), result (rows, queries, entries). */
export const queriesTimes = (q: tf.Tensor3D, tree: Parameter): tf.Tensor3D =>
  tree.kind === 'dense' ? tf.matMul(q, decoded(tree), false, true) : productsOf(tree).queries(q, tree)

/** p · W likewise; p: (rows, queries, entries), result (rows, queries, size). */
export const sharesTimes = (p: tf.Tensor3D, tree: Parameter): tf.Tensor3D =>
  tree.kind === 'dense' ? tf.matMul(p, decoded(tree)) : productsOf(tree).shares(p, tree)
