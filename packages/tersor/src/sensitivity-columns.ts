import type { Column } from './columns.js'
import { MEASURE_COLUMNS } from './comparison-columns.js'
import type { LayerSensitivity } from './layer-sensitivity.js'
import { bytesText } from './output.js'

/** The table of `tersor sensitivity`. */
export const SENSITIVITY_COLUMNS: readonly Column<LayerSensitivity>[] = [
  { key: 'layer', head: 'layer', of: row => row.layer },
  { key: 'step', head: 'step', of: row => row.step },
  { key: 'before', head: 'before', of: row => row.before, text: bytesText, minor: 4 },
  { key: 'after', head: 'after', of: row => row.after, text: bytesText, minor: 3 },
  { key: 'error', head: 'error', of: row => row.error, text: (value: number) => value.toExponential(2) },
  ...MEASURE_COLUMNS,
]
