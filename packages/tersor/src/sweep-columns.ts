import type { Column } from './columns.js'
import { MEASURE_COLUMNS } from './comparison-columns.js'
import { bytesText } from './output.js'
import type { SweptRow } from './swept-model.js'

/** The table of `tersor sweep`. */
export const SWEEP_COLUMNS: readonly Column<SweptRow>[] = [
  { key: 'best', head: '', of: row => (row.best ? '*' : '') },
  { key: 'steps', head: 'steps', of: row => (row.steps.length === 0 ? 'original' : row.steps.join(' + ')) },
  { key: 'bytes', head: 'size', of: row => row.bytes, text: bytesText },
  { key: 'bitsPerWeight', head: 'bits/weight', of: row => row.bitsPerWeight, text: (value: number) => value.toFixed(2), minor: 2 },
  { key: 'error', head: 'error', of: row => row.error, text: (value: number) => value.toExponential(2), minor: 3 },
  ...MEASURE_COLUMNS,
  { key: 'failed', head: 'failed', of: row => row.failed },
]
