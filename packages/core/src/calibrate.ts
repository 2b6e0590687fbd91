import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { Batches, Calibration, Stats } from './method.js'
import type { Site, Stage, Tap, Weights } from './model.js'
import { rowsOf } from './unfold.js'

/** All calibration batches of a step; throws NO_CALIBRATION where there is none. */
export const collectBatches = async (step: string, batches: Batches | undefined): Promise<tf.Tensor[]> => {
  const inputs: tf.Tensor[] = []
  for await (const batch of batches ?? []) inputs.push(batch)
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
  /** Rows of input seen. */
  readonly samples: number
}

export interface Collector {
  readonly tap: Tap
  /** Counts rows of inputs in, (rows, in). */
  take(site: Site, rows: tf.Tensor2D): void
  of(site: Site): SiteStats
  /** Frees the statistics of a site that none of the later ones shares. */
  release(site: Site, later: readonly Site[]): void
  dispose(): void
}

const tensorsOf = (stats: Stats): tf.Tensor[] => (stats === undefined ? [] : stats instanceof tf.Tensor ? [stats] : Object.values(stats))

const keep = (stats: Stats): Stats => {
  tensorsOf(stats).forEach(tensor => tf.keep(tensor))
  return stats
}

/** Gathers statistics of the chosen sites while a stage runs; q, k and v see one tensor and are counted once. */
export const collector = (calibration: Calibration<any>, chosen: (site: Site) => boolean): Collector => {
  const leaders = new Map<string, string>()
  const gathered = new Map<string, SiteStats>()
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

  const take: Collector['take'] = (site, rows) =>
    tf.tidy(() => {
      const before = gathered.get(site.name) ?? { stats: keep(calibration.init(site, rows.shape[1])), samples: 0 }
      const stats = keep(calibration.update(before.stats, rows, site))
      const held = new Set(tensorsOf(stats))
      for (const tensor of tensorsOf(before.stats)) if (!held.has(tensor)) tensor.dispose()
      gathered.set(site.name, { stats, samples: before.samples + rows.shape[0] })
    })
  const tap: Tap = (site, input) => {
    if (!chosen(site) || leaderOf(site, input) !== site.name) return
    tf.tidy(() => take(site, rowsOf(site, input)))
  }
  const keyOf = (site: Site): string => leaders.get(site.name) ?? site.name
  return {
    tap,
    take,
    of: site => gathered.get(keyOf(site)) ?? { stats: undefined, samples: 0 },
    release: (site, later) => {
      const key = keyOf(site)
      if (later.some(other => keyOf(other) === key)) return
      tf.dispose(tensorsOf(gathered.get(key)?.stats))
      gathered.delete(key)
    },
    dispose: () => {
      gathered.forEach(({ stats }) => tf.dispose(tensorsOf(stats)))
      gathered.clear()
    },
  }
}

/** Runs a stage without keeping anything but what the tap keeps. */
export const observe = (stage: Stage, x: tf.Tensor, weights: Weights, tap: Tap): void => {
  tf.tidy(() => {
    stage.run(x, { weights, tap })
  })
}
