import * as tf from '@tensorflow/tfjs-core'
import { keepStats, statsTensors, type SiteStats } from './calibrate.js'
import type { Calibration, Method, Stats } from '../step/method.js'
import type { Site } from '../model/model.js'

/** Rows of the identity at a time. */
const ROWS = 256

/** The statistics of X = I. */
const evenStatistics = async (calibrate: Calibration<Stats>, site: Site, columns: number): Promise<Stats> => {
  let stats = tf.tidy(() => keepStats(calibrate.init(site, columns)))
  for (let from = 0; from < columns; from += ROWS) {
    const before = stats
    stats = tf.tidy(() => {
      const wanted = tf.range(from, Math.min(columns, from + ROWS), 1, 'int32')
      const rows = tf.cast(tf.equal(tf.expandDims(wanted, 1), tf.range(0, columns, 1, 'int32')), 'float32') as tf.Tensor2D
      return keepStats(calibrate.update(before, rows, site))
    })
    const held = new Set(statsTensors(stats))
    tf.dispose(statsTensors(before).filter(tensor => !held.has(tensor)))
    await Promise.resolve()
  }
  return stats
}

/** With less than this part of a row of input for each column, statistics say more of chance than of the site. */
const FEWEST_ROWS_PER_COLUMN = 1 / 16

/** Lends a method a site's statistics, or, where next to no input came by, those of inputs that are all alike: the weight alone then decides. */
export const withStatistics = async <T>(
  { calibrate }: Method,
  site: Site,
  columns: number,
  seen: Pick<SiteStats, 'stats' | 'samples'>,
  warn: (message: string) => void,
  body: (known: Pick<SiteStats, 'stats' | 'samples'>) => Promise<T>,
): Promise<T> => {
  if (!calibrate || seen.samples >= columns * FEWEST_ROWS_PER_COLUMN) return body(seen)
  warn('next to no input came by in calibration: compressed by its weights alone.')
  const even = await evenStatistics(calibrate, site, columns)
  try {
    return await body({ stats: even, samples: 0 })
  } finally {
    tf.dispose(statsTensors(even))
  }
}
