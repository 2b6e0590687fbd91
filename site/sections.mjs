/** Parts of pages that others take in: sections of the README, and tables of what was measured. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname
const json = name => JSON.parse(readFileSync(join(here, 'gallery', name), 'utf8'))
/** Figures stay in one line: a space that does not break. */
const megabytes = bytes => `${(bytes / 1e6).toFixed(1)}\u00a0MB`
const percent = share => `${(100 * share).toFixed(1)}\u00a0%`
const table = (head, rows) =>
  [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')

/** A section of a page by its heading, without it. */
export const sectionOf = (page, heading) => {
  const start = page.split('\n').findIndex(line => line.replace(/^#+ /, '') === heading && line.startsWith('#'))
  if (start < 0) throw new Error(`There is no section "${heading}".`)
  const lines = page.split('\n').slice(start + 1)
  const end = lines.findIndex(line => /^#{1,3} /.test(line))
  return lines
    .slice(0, end < 0 ? undefined : end)
    .join('\n')
    .trim()
}

const figures = ({ bytes, bitsPerWeight, perplexity, kl, flips }) => [
  megabytes(bytes),
  bitsPerWeight === undefined ? '' : bitsPerWeight.toFixed(2),
  perplexity.toFixed(2),
  kl === undefined ? '' : kl < 1e-3 ? kl.toExponential(1) : kl.toPrecision(2),
  flips === undefined ? '' : percent(flips),
]
const FIGURES = ['size', 'bits/weight', 'perplexity', 'divergence', 'flips']

/** What a runtime's files of the bundled model are. */
export const measuredFor = runtime => {
  const { original, rows } = json('targets.json')
  const own = rows.filter(row => row.runtime === runtime)
  const named = own.map(({ options, ...row }) => [`\`--for ${runtime}\`${options[0] === '--bits' ? ` \`${options.join(' ')}\`` : options.length > 0 ? ' with `--calibrate`' : ''}`, ...figures(row)]) // prettier-ignore
  return `Of the [bundled model](../examples/bundled-model/index.md), 16,384 tokens of its validation text:\n\n${table(['', ...FIGURES], [['as it is', ...figures(original)], ...named])}`
}

const bar = (share, title) =>
  `<div class="bar" role="img" aria-label="${title}"><span style="width:${(100 * share).toFixed(1)}%"></span></div>`

/** Sizes and divergences side by side, a line a recipe, the one that loses least first. */
const besideEachOther = all => {
  const values = [...all].sort((a, b) => a.row.kl - b.row.kl).map(({ title, row }) => ({ title, megabytes: row.bytes / 1e6, kl: row.kl }))
  const y = { field: 'title', type: 'nominal', sort: null, title: null }
  const [width, height] = [220, { step: 20 }]
  return {
    ...{ data: { values }, width: undefined, spacing: 12 },
    hconcat: [
      {
        width,
        height,
        mark: 'bar',
        encoding: { y: { ...y, axis: { labelLimit: 240 } }, x: { field: 'megabytes', type: 'quantitative', title: 'size, MB' } },
      },
      {
        width,
        height,
        mark: { type: 'point', filled: true, size: 60 },
        encoding: {
          y: { ...y, axis: { labels: false, ticks: false } },
          x: {
            field: 'kl',
            type: 'quantitative',
            title: 'divergence, nats',
            scale: { type: 'log' },
            axis: { format: '.0e', tickCount: 4 },
          },
        },
      },
    ],
  }
}

/** Where the plot of the gallery goes, once its page is one of VitePress. */
const PLOT = 'PLOT-OF-THE-GALLERY'

/** The gallery: each recipe with its command, figures and where it stands among the others; `withPlot` draws in its page. */
export const gallery = async () => {
  const { plotOf } = await import('../packages/tersor/dist/page/plot.js')
  const [recipes, measured] = [json('recipes.json'), json('measured.json')]
  const rowOf = steps => measured.find(row => row.steps.join(' + ') === steps.join(' + '))
  const all = recipes.map(recipe => ({ ...recipe, row: rowOf(recipe.steps) }))
  const missing = all.filter(({ row }) => row?.kl === undefined)
  if (missing.length > 0)
    throw new Error(`Not measured: ${missing.map(({ title }) => title).join(', ')}; run node site/gallery/measure.mjs.`)
  const most = Math.max(...all.map(({ row }) => row.bytes))
  const cards = all.map(({ title, steps, for: why, row }) =>
    [
      `## ${title}`,
      why,
      bar(row.bytes / most, `size beside the largest here: ${megabytes(row.bytes)}`),
      table(
        FIGURES.map((name, i) => (i === 1 ? 'bits of compressed layers' : name)),
        [figures(row)],
      ),
      `\`\`\`sh\nnpx tersor compress MODEL --out small --calibrate TEXT ${steps.map(step => `--step "${step}"`).join(' ')}\n\`\`\``,
    ].join('\n\n'),
  )
  const original = measured.find(({ steps }) => steps.length === 0)
  const plot = `<div class="plot" v-pre>${await plotOf(besideEachOther(all), 'size and divergence of each recipe')}</div>`
  const text = [
    '# Recipes',
    `Pipelines on the [bundled model](examples/bundled-model/index.md) (3.4 million weights, ${megabytes(original.bytes)}, perplexity ${original.perplexity.toFixed(2)} on 16,384 tokens of its validation text), whose embeddings and head all but the rotation leave as they are: 4.2 MB of each file. Larger networks lose less to the same bits. \`node site/gallery/measure.mjs\` measures them again.`,
    PLOT,
    ...cards,
  ].join('\n\n')
  return { text, withPlot: page => page.replace(PLOT, () => plot) }
}
