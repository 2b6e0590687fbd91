import { SWEEP_COLUMNS } from '../sweep-columns.js'
import { distanceOf } from '../measures.js'
import type { SweptRow } from '../swept-model.js'
import { FOOTER, tradePlot } from './comparison-page.js'
import { pageOf, tableHtml } from './page.js'

/** The page of `tersor sweep`. */
export const sweepPage = async (model: string, data: string, rows: readonly SweptRow[]): Promise<string> => {
  const points = rows
    .filter(({ failed }) => failed === undefined)
    .map(row => ({
      name: row.steps.join(' + ') || 'original',
      megabytes: (row.bytes ?? 0) / 1e6,
      lost: distanceOf(row),
      best: row.best,
    }))
  const lost = rows.some(({ kl }) => kl !== undefined) ? 'divergence from the original, nats' : 'distance from the original'
  return pageOf(
    `Choices for ${model}`,
    [
      { heading: `Size and loss on ${data}`, html: await tradePlot(points, lost) },
      { heading: 'All choices; * no other is as small and better, or as good and smaller', html: tableHtml(SWEEP_COLUMNS, rows) },
    ],
    FOOTER,
  )
}
