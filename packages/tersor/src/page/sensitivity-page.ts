import { SENSITIVITY_COLUMNS } from '../sensitivity-columns.js'
import type { LayerSensitivity } from '../layer-sensitivity.js'
import { distanceOf } from '../measures.js'
import { FOOTER } from './comparison-page.js'
import { pageOf, tableHtml } from './page.js'
import { plotOf } from './plot.js'

/** Points of layers in the order of the network, a colour a step. */
const layersPlot = (layers: readonly LayerSensitivity[], field: 'lost' | 'error', title: string): Promise<string> => {
  const order = [...new Set(layers.map(({ layer }) => layer))]
  return plotOf(
    {
      height: { step: 16 },
      data: { values: layers.map(row => ({ layer: row.layer, step: row.step, error: row.error, lost: distanceOf(row) })) },
      mark: { type: 'point', filled: true, size: 50 },
      encoding: {
        y: { field: 'layer', type: 'nominal', sort: order, title: null, axis: { labelLimit: 320, grid: true } },
        x: { field, type: 'quantitative', title },
        color: { field: 'step', type: 'nominal', title: null, legend: { orient: 'top' } },
      },
    },
    title,
  )
}

/** The page of `tersor sensitivity`. */
export const sensitivityPage = async (model: string, data: string, layers: readonly LayerSensitivity[]): Promise<string> =>
  pageOf(
    `Sensitivity of the layers of ${model}`,
    [
      { heading: `Lost on ${data} where one layer is compressed and the others are not`, html: await layersPlot(layers, 'lost', layers.some(({ kl }) => kl !== undefined) ? 'divergence, nats' : 'distance') }, // prettier-ignore
      { heading: 'Error of the weights', html: await layersPlot(layers, 'error', '‖W − Ŵ‖² / ‖W‖²') },
      { heading: 'All numbers', html: tableHtml(SENSITIVITY_COLUMNS, layers) },
    ],
    FOOTER,
  )
