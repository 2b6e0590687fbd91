import { BENCH_COLUMNS } from '../bench/bench-columns.js'
import type { BenchRow } from '../bench/bench-models.js'
import { distanceOf, isCompared } from '../measures.js'
import { FOOTER, tradePlot } from './comparison-page.js'
import { pageOf, tableHtml } from './page.js'

/** The page of `tersor bench`; the plot stands where something was measured. */
export const benchPage = async (model: string, data: string | undefined, rows: readonly BenchRow[]): Promise<string> => {
  const points = rows.filter(isCompared).map(row => ({
    name: row.steps.join(' + '),
    megabytes: (row.bytes ?? 0) / 1e6,
    lost: distanceOf(row),
    best: row.own,
  }))
  const lost = rows.some(({ kl }) => kl !== undefined) ? 'divergence from the original, nats' : 'distance from the original'
  const plots = points.some(point => point.lost > 0) ? [{ heading: 'Size and loss', html: await tradePlot(points, lost) }] : []
  return pageOf(
    `Steps on ${model}`,
    [{ heading: `> ${data === undefined ? 'one’s own' : `one’s own, on ${data}`}`, html: tableHtml(BENCH_COLUMNS, rows) }, ...plots],
    FOOTER,
  )
}
