import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { Batches, Calibration, Stats } from '../step/method.js'
import type { Site, Stage, Tap, Weights } from '../model/model.js'
import { rowsOf } from '../model/unfold.js'

/** All of some batches, none where there are none. */
export const allBatches = async (batches: Batches | undefined): Promise<tf.Tensor[]> => {
  const all: tf.Tensor[] = []
  for await (const batch of batches ?? []) all.push(batch)
  return all
}

/** All calibration batches of a step; throws NO_CALIBRATION where there is none. */
export const collectBatches = async (step: string, batches: Batches | undefined): Promise<tf.Tensor[]> => {
  const inputs = await allBatches(batches)
  if (inputs.length > 0) return inputs
  throw new CompressionError(
    'NO_CALIBRATION',
    `${step} learns from inputs, and no calibration batch was given.`,
    'Pass calibration: batches of token ids or images (on the command line: --calibrate FILE).',
    { method: step },
  )
}

/** Statistics of one site; sites that see the same tensor share them. */
export interface SiteStats {
  readonly stats: Stats
  /** Rows of input seen; rows of zeros, as experts get for tokens of others, do not count. */
  readonly samples: number
  /** All rows, those of zeros too. */
  readonly rows: number
}

export interface Collector {
  readonly tap: Tap
  /** Reads how many rows came by; call it after the last one. */
  settle(): Promise<void>
  of(site: Site): SiteStats
  /** Frees the statistics of a site that none of the later ones shares. */
  release(site: Site, later: readonly Site[]): void
  dispose(): void
}

/** The tensors of statistics. */
export const statsTensors = (stats: Stats): tf.Tensor[] =>
  stats === undefined ? [] : stats instanceof tf.Tensor ? [stats] : Object.values(stats)

/** Keeps them beyond the tidy they were made in. */
export const keepStats = (stats: Stats): Stats => {
  statsTensors(stats).forEach(tensor => tf.keep(tensor))
  return stats
}

/** How many rows hold anything but zeros. */
const filledRows = (rows: tf.Tensor2D): tf.Tensor => tf.sum(tf.cast(tf.greater(tf.max(tf.abs(rows), 1), 0), 'float32'))

/** Gathers statistics of the chosen sites while a stage runs; q, k and v see one tensor and are counted once. */
export const collector = (calibration: Calibration<any>, chosen: (site: Site) => boolean): Collector => {
  const leaders = new Map<string, string>()
  const gathered = new Map<string, Stats>()
  const counts = new Map<string, tf.Tensor>()
  const samples = new Map<string, number>()
  const rowCounts = new Map<string, number>()
  const firstOfTensor = new Map<number, string>()

  const leaderOf = (site: Site, input: tf.Tensor): string => {
    const known = leaders.get(site.name)
    if (known) return known
    const key = site.convolution ? undefined : firstOfTensor.get(input.id)
    const leader = key ?? site.name
    if (!site.convolution && key === undefined) firstOfTensor.set(input.id, site.name)
    leaders.set(site.name, leader)
    return leader
  }

  const take = (site: Site, rows: tf.Tensor2D): void =>
    tf.tidy(() => {
      const before = gathered.get(site.name) ?? keepStats(calibration.init(site, rows.shape[1]))
      const stats = keepStats(calibration.update(before, rows, site))
      const held = new Set(statsTensors(stats))
      for (const tensor of statsTensors(before)) if (!held.has(tensor)) tensor.dispose()
      gathered.set(site.name, stats)
      rowCounts.set(site.name, (rowCounts.get(site.name) ?? 0) + rows.shape[0])
      const counted = counts.get(site.name)
      counts.set(site.name, tf.keep(counted ? tf.add(counted, filledRows(rows)) : filledRows(rows)))
      counted?.dispose()
    })
  const tap: Tap = (site, input) => {
    if (!chosen(site) || leaderOf(site, input) !== site.name) return
    tf.tidy(() => take(site, rowsOf(site, input)))
  }
  const keyOf = (site: Site): string => leaders.get(site.name) ?? site.name
  return {
    tap,
    settle: async () => {
      for (const [name, count] of counts) samples.set(name, (await count.data())[0])
    },
    of: site => {
      const key = keyOf(site)
      return { stats: gathered.get(key), samples: samples.get(key) ?? 0, rows: rowCounts.get(key) ?? 0 }
    },
    release: (site, later) => {
      const key = keyOf(site)
      if (later.some(other => keyOf(other) === key)) return
      tf.dispose(statsTensors(gathered.get(key)))
      gathered.delete(key)
    },
    dispose: () => {
      gathered.forEach(stats => tf.dispose(statsTensors(stats)))
      gathered.clear()
      counts.forEach(count => count.dispose())
      counts.clear()
    },
  }
}

/** Runs a stage without keeping anything but what the tap keeps. */
export const observe = (stage: Stage, x: tf.Tensor, weights: Weights, tap: Tap): void => {
  tf.tidy(() => {
    stage.run(x, { weights, tap })
  })
}
