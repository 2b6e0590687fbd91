import type { TopLevelSpec } from 'vega-lite'

/** Stands for the colour of text, which the page has for light and dark. */
const TEXT = '#010203'
/** Seen on white as on black. */
const SERIES = ['#2f7ed8', '#e07b39', '#3a9d5d', '#b05cc9', '#c94f4f', '#8a8a2c']

const CONFIG = {
  background: undefined,
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  range: { category: SERIES },
  axis: {
    labelColor: TEXT,
    titleColor: TEXT,
    domainColor: TEXT,
    tickColor: TEXT,
    gridColor: TEXT,
    gridOpacity: 0.15,
    titleFontWeight: 500,
  },
  legend: { labelLimit: 400, labelColor: TEXT, titleColor: TEXT },
  title: { color: TEXT },
  text: { color: TEXT },
  bar: { color: SERIES[0] },
  point: { color: SERIES[0], filled: true, size: 70 },
  line: { color: SERIES[0] },
}

/** A vega-lite plot as an SVG that a page shows by itself, in light and dark; no script is needed to look at it. */
export const plotOf = async (spec: object, title: string): Promise<string> => {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')])
  const whole = { width: 640, ...spec, config: CONFIG } as unknown as TopLevelSpec
  const warnings: string[] = []
  const logger = { ...vega.logger(vega.None), warn: (...texts: string[]) => (warnings.push(...texts), logger) } as never
  const compiled = vegaLite.compile(whole, { logger }).spec
  const view = new vega.View(vega.parse(compiled), { renderer: 'none' })
  try {
    const svg = await view.toSVG()
    return svg.replaceAll(TEXT, 'currentColor').replace(/^<svg /, `<svg role="img" aria-label="${title.replace(/[&<>"]/g, '')}" `)
  } finally {
    view.finalize()
  }
}
