import * as tf from '@tensorflow/tfjs-core'
import type { Calibration, Coupling, Member, Site } from '@tersor/core'

/** Where importance by what is read of units comes from. */
export const MURALIDHARAN = {
  title: 'Compact Language Models via Pruning and Knowledge Distillation',
  authors: 'Muralidharan et al.',
  year: 2024,
  url: 'https://arxiv.org/abs/2407.14679',
} as const

/** A site that reads units, and how many channels side by side make one of them. */
export interface Reading {
  readonly coupling: number
  readonly member: Member
  readonly size: number
}

/** The couplings that each site reads, by its weight. */
export const readingsOf = (couplings: readonly Coupling[]): ReadonlyMap<string, readonly Reading[]> => {
  const all = new Map<string, Reading[]>()
  for (const [coupling, { members }] of couplings.entries())
    for (const member of members)
      if (member.role === 'reads')
        all.set(member.parameter, [...(all.get(member.parameter) ?? []), { coupling, member, size: member.size ?? 1 }])
  return all
}

/** The readings of a site along its inputs. */
export const readingsAt = (readings: ReadonlyMap<string, readonly Reading[]>, { weight, inAxis }: Site): readonly Reading[] =>
  (readings.get(weight) ?? []).filter(({ member }) => member.axis === inAxis)

const keyOf = (size: number): string => `of ${size}`

/** ‖x_u‖₂ of runs of so many channels, (tokens, columns / size). */
const normsOf = (x: tf.Tensor2D, size: number): tf.Tensor2D => {
  if (size === 1) return tf.abs(x)
  const [tokens, columns] = x.shape
  return tf.sqrt(tf.sum(tf.square(tf.reshape(x, [tokens, columns / size, size])), 2)) // (tokens, runs, size) -> (tokens, runs)
}

/** Σ over batches of (mean over tokens of ‖x_u‖₂)², for each size of units that a site reads, (columns / size). */
export const inputNorms = (readings: ReadonlyMap<string, readonly Reading[]>): Calibration<Record<string, tf.Tensor>> => {
  const sizesAt = (site: Site): readonly number[] => [...new Set(readingsAt(readings, site).map(({ size }) => size))]
  return {
    init: (site, columns) => Object.fromEntries(sizesAt(site).map(size => [keyOf(size), tf.zeros([columns / size])])),
    update: (stats, x, site) =>
      Object.fromEntries(
        sizesAt(site).map(size => [keyOf(size), tf.add(stats[keyOf(size)], tf.square(tf.mean(normsOf(x, size), 0)))] as const),
      ),
  }
}

/** √ of what was gathered, for each channel the norm of the run that it stands in divided among it, so that units sum up to theirs, (columns). */
export const normsAlong = async (stats: Readonly<Record<string, tf.Tensor>>, size: number): Promise<Float64Array> => {
  const squares = await stats[keyOf(size)].data()
  return Float64Array.from({ length: squares.length * size }, (_, at) => Math.sqrt(squares[Math.floor(at / size)]) / size)
}
