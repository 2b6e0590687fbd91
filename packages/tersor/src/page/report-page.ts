import type { Column } from '../columns.js'
import { MEASURE_COLUMNS } from '../comparison-columns.js'
import type { CompressionResult, Share } from '../compression-result.js'
import type { Measures } from '../measures.js'
import { bytesText } from '../output.js'
import type { LayerReport, StepReport } from '../step-reports.js'
import { stepText } from '../step-text.js'
import { FOOTER } from './comparison-page.js'
import { codeHtml, numbersHtml, pageOf, tableHtml, type Section } from './page.js'
import { plotOf } from './plot.js'

/** Errors of layers in the order of the network. */
const errorsPlot = (layers: readonly LayerReport[]): Promise<string> =>
  plotOf(
    {
      height: { step: 14 },
      data: { values: layers },
      mark: { type: 'bar', height: { band: 0.7 } },
      encoding: {
        y: { field: 'layer', type: 'nominal', sort: null, title: null, axis: { labelLimit: 320 } },
        x: { field: 'error', type: 'quantitative', title: '‖W − Ŵ‖² / ‖W‖²' },
        color: { field: 'step', type: 'nominal', title: null, legend: { orient: 'top' } },
      },
    },
    'Error by layer',
  )

/** Bytes before and after, in compressed layers and in the rest. */
const sizesPlot = ({ layers, compressed, rest, bytesBefore }: CompressionResult): Promise<string> => {
  const before = Math.min(bytesBefore, layers.reduce((sum, layer) => sum + layer.before, 0)) // prettier-ignore
  const values = [
    { when: 'before', part: 'compressed layers', megabytes: before / 1e6 },
    { when: 'before', part: 'the rest', megabytes: (bytesBefore - before) / 1e6 },
    { when: 'after', part: 'compressed layers', megabytes: compressed.bytes / 1e6 },
    { when: 'after', part: 'the rest', megabytes: rest.bytes / 1e6 },
  ]
  return plotOf(
    {
      height: { step: 36 },
      data: { values },
      mark: { type: 'bar', height: { band: 0.7 } },
      encoding: {
        y: { field: 'when', type: 'nominal', sort: null, title: null },
        x: { field: 'megabytes', type: 'quantitative', title: 'MB' },
        color: { field: 'part', type: 'nominal', sort: null, title: null, legend: { orient: 'top' } },
      },
    },
    'Sizes before and after',
  )
}

const STEPS: readonly Column<StepReport & { readonly text: string }>[] = [
  { key: 'step', head: 'step', of: row => row.text },
  { key: 'sites', head: 'sites', of: row => row.sites },
  { key: 'error', head: 'mean error', of: row => row.error, text: (value: number) => value.toExponential(2) },
]

const LAYERS: readonly Column<LayerReport>[] = [
  { key: 'layer', head: 'layer', of: row => row.layer },
  { key: 'step', head: 'step', of: row => row.step },
  { key: 'before', head: 'before', of: row => row.before, text: bytesText },
  { key: 'after', head: 'after', of: row => row.after, text: bytesText },
  { key: 'error', head: 'error', of: row => row.error, text: (value: number) => value.toExponential(2) },
]

type Part = Share & { readonly part: string }
const PARTS: readonly Column<Part>[] = [
  { key: 'part', head: '', of: row => row.part },
  { key: 'weights', head: 'weights', of: row => row.weights, text: (value: number) => value.toLocaleString('en') },
  { key: 'bytes', head: 'bytes', of: row => row.bytes, text: bytesText },
  { key: 'bits', head: 'bits a weight', of: row => row.bitsPerWeight, text: (value: number) => value.toFixed(2) },
]

type Measured = Measures & { readonly when: string }
const QUALITY: readonly Column<Measured>[] = [{ key: 'when', head: '', of: row => row.when }, ...MEASURE_COLUMNS]

/** Measures before and after as bars, of which both sides have a number. */
const qualityPlot = ({ before, after }: { readonly before: Measures; readonly after: Measures }): Promise<string> | undefined => {
  const shown = MEASURE_COLUMNS.find(({ of }) => of(before) !== undefined && of(after) !== undefined)
  if (!shown) return undefined
  const values = [
    { when: 'before', value: shown.of(before) },
    { when: 'after', value: shown.of(after) },
  ]
  return plotOf(
    {
      height: { step: 36 },
      data: { values },
      mark: { type: 'bar', height: { band: 0.7 } },
      encoding: {
        y: { field: 'when', type: 'nominal', sort: null, title: null },
        x: { field: 'value', type: 'quantitative', title: shown.head },
      },
    },
    shown.head,
  )
}

const qualitySection = async ({ quality }: CompressionResult): Promise<readonly Section[]> => {
  if (!quality) return []
  const { before, after, data, learned } = quality
  const rows = [
    { when: 'before', ...before },
    { when: 'after', ...after },
  ]
  const plot = (await qualityPlot(quality)) ?? ''
  return [{ heading: `Quality on ${learned ? 'a text that it learned from, ' : ''}${data}`, html: `${tableHtml(QUALITY, rows)}${plot}` }]
}

/** The page of a run: what came of it, by what, and at what cost. */
export const reportPage = async (result: CompressionResult, command: string): Promise<string> => {
  const { source, out, bytesBefore, bytesAfter, timesSmaller, bitsPerWeight, steps, layers, compressed, rest, left, notes } = result
  const rows = steps.map(step => ({ ...step, text: stepText(step.method, step.options) }))
  const parts = [
    { part: 'compressed layers', ...compressed },
    { part: 'the rest', ...rest },
  ]
  const leftRows = left.map(({ why, names, bytes }) => ({ why, bytes, names: names.join(', ') }))
  return pageOf(
    `${result.architecture}: ${source} → ${out}`,
    [
      {
        heading: '',
        html: numbersHtml([
          [bytesAfter < bytesBefore ? `${timesSmaller.toFixed(1)}×` : '–', bytesAfter < bytesBefore ? 'smaller' : 'not smaller'],
          [`${bytesText(bytesBefore)} → ${bytesText(bytesAfter)}`, 'on the disk'],
          [bitsPerWeight.toFixed(2), 'bits a weight'],
        ]),
      },
      { heading: 'Recipe', html: `${tableHtml(STEPS, rows)}${codeHtml(command)}` },
      { heading: 'Sizes', html: `${await sizesPlot(result)}${tableHtml(PARTS, parts)}` },
      ...(await qualitySection(result)),
      ...(layers.length > 0 ? [{ heading: 'Error by layer', html: await errorsPlot(layers) }] : []),
      ...(layers.length > 0 ? [{ heading: 'All layers', html: tableHtml(LAYERS, layers) }] : []),
      ...(left.length > 0
        ? [
            {
              heading: 'Left alone',
              html: tableHtml(
                [
                  { key: 'why', head: 'why', of: row => row.why },
                  { key: 'bytes', head: 'bytes', of: row => row.bytes, text: bytesText },
                  { key: 'names', head: 'which', of: row => row.names },
                ],
                leftRows,
              ),
            },
          ]
        : []),
      ...(notes.length > 0 ? [{ heading: 'What the format could not hold as it was', html: codeHtml(notes.join('\n')) }] : []),
    ],
    FOOTER,
  )
}
