import type { Column } from '../columns.js'
import { MEASURE_COLUMNS } from '../comparison-columns.js'
import { bytesText } from '../output.js'
import type { BenchRow } from './bench-models.js'

/** The table of `tersor bench`. */
export const BENCH_COLUMNS: readonly Column<BenchRow>[] = [
  { key: 'own', head: '', of: row => (row.own ? '>' : '') },
  { key: 'steps', head: 'steps', of: row => (row.steps.length === 0 ? 'original' : row.steps.join(' + ')) },
  { key: 'bytes', head: 'size', of: row => row.bytes, text: bytesText },
  { key: 'bitsPerWeight', head: 'bits', of: row => row.bitsPerWeight, text: (value: number) => value.toFixed(2) },
  { key: 'error', head: 'error', of: row => row.error, text: (value: number) => value.toExponential(2), minor: 1 },
  ...MEASURE_COLUMNS,
  { key: 'seconds', head: 'seconds', of: row => row.seconds, text: (value: number) => value.toFixed(1), minor: 2 },
  { key: 'failed', head: 'failed', of: row => row.failed },
]
