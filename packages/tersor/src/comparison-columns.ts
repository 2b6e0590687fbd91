import type { Column } from './columns.js'
import type { ComparedModel } from './compare-models.js'
import type { Measures } from './measures.js'
import { bytesText } from './output.js'

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`

/** What is measured of a model, for every table that shows it. */
export const MEASURE_COLUMNS: readonly Column<Measures>[] = [
  { key: 'perplexity', head: 'perplexity', of: row => row.perplexity, text: (value: number) => value.toPrecision(5) },
  {
    key: 'kl',
    head: 'divergence',
    of: row => row.kl,
    text: (value: number) => (value < 1e-3 && value > 0 ? value.toExponential(2) : value.toPrecision(3)),
  },
  { key: 'flips', head: 'flips', of: row => row.flips, text: percent, minor: 1 },
  { key: 'top1', head: 'right', of: row => row.top1, text: percent },
  { key: 'agreement', head: 'same answer', of: row => row.agreement, text: percent },
  { key: 'cosine', head: 'cosine', of: row => row.cosine, text: (value: number) => value.toFixed(4) },
]

/** The table of `tersor compare`. */
export const COMPARISON_COLUMNS: readonly Column<ComparedModel>[] = [
  { key: 'model', head: 'model', of: row => row.model },
  { key: 'bytes', head: 'size', of: row => row.bytes, text: bytesText },
  { key: 'bitsPerWeight', head: 'bits/weight', of: row => row.bitsPerWeight, text: (value: number) => value.toFixed(2), minor: 3 },
  ...MEASURE_COLUMNS,
  { key: 'tokensPerSecond', head: 'tokens/s', of: row => row.tokensPerSecond, text: (value: number) => value.toFixed(1), minor: 2 },
  { key: 'worstLayer', head: 'worst layer', of: row => row.worst?.layer, minor: 4 },
  { key: 'worstError', head: 'error', of: row => row.worst?.error, text: (value: number) => value.toExponential(2), minor: 4 },
]
