import { VERSION } from '@tersor/core/version'
import type { ComparedModel } from '../compare-models.js'
import { COMPARISON_COLUMNS } from '../comparison-columns.js'
import { distanceOf, isCompared } from '../measures.js'
import { pageOf, tableHtml } from './page.js'
import { plotOf } from './plot.js'

/** What stands below every page. */
export const FOOTER = `Made by Tersor ${VERSION}.`

/** The end of a path: what tells models apart in a plot. */
const nameOfPath = (path: string): string =>
  path
    .replace(/[/\\]+$/, '')
    .split(/[/\\]/)
    .slice(-2)
    .join('/')

/** Size against what was lost, a point a model; those that lost nothing, such as the original, are left out. */
export const tradePlot = (
  points: readonly { readonly name: string; readonly megabytes: number; readonly lost: number; readonly best?: boolean }[],
  lost: string,
): Promise<string> => {
  // what lost nothing has no place on a logarithmic axis; names stand above and below by turns, so that neighbours leave them free
  const placed = points
    .filter(point => point.lost > 0)
    .sort((a, b) => a.megabytes - b.megabytes)
    .map((point, at) => ({ ...point, side: at % 2 }))
  return plotOf(
    {
      height: 300,
      data: { values: placed },
      encoding: {
        x: { field: 'megabytes', type: 'quantitative', title: 'size, MB', scale: { zero: false, nice: true, padding: 20 } },
        y: { field: 'lost', type: 'quantitative', title: lost, scale: { type: 'log' }, axis: { format: '.1~e' } },
      },
      layer: [
        {
          mark: { type: 'line', strokeDash: [4, 4], opacity: 0.6 },
          transform: [{ filter: 'datum.best' }],
          encoding: { order: { field: 'megabytes' } },
        },
        {
          mark: { type: 'point', filled: true, size: 70 },
          encoding: { opacity: { condition: { test: 'datum.best === false', value: 0.4 }, value: 1 } },
        },
        ...[-8, 12].map((dy, side) => ({
          mark: { type: 'text', align: 'left', dx: 8, dy, limit: 220 },
          transform: [{ filter: `datum.side === ${side}` }],
          encoding: { text: { field: 'name' } },
        })),
      ],
    },
    `${lost} by size`,
  )
}

/** The page of `tersor compare`. */
export const comparisonPage = async (rows: readonly ComparedModel[], data: string | undefined): Promise<string> => {
  const measured = rows.slice(1).some(isCompared)
  const lost = rows.some(({ kl }) => kl !== undefined) ? 'divergence from the first, nats' : 'distance from the first'
  const points = rows.map(row => ({ name: nameOfPath(row.model), megabytes: row.bytes / 1e6, lost: distanceOf(row) }))
  const plots = measured && points.some(({ lost }) => lost > 0) ? [{ heading: 'Size and loss', html: await tradePlot(points, lost) }] : []
  return pageOf(
    `Comparison of ${rows.length} models`,
    [{ heading: data === undefined ? '' : `On ${data}`, html: tableHtml(COMPARISON_COLUMNS, rows) }, ...plots],
    FOOTER,
  )
}
