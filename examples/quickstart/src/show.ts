import type { ProgressEvent } from '@tersor/core'
import Table from 'cli-table3'
import pc from 'picocolors'

export interface Row {
  readonly title: string
  readonly bytes: number
  readonly bitsPerWeight: number
  readonly perplexity: number
  readonly tokensPerSecond: number
  readonly sample: string
}

/** The comparison as text: the first row is what the others are measured against. */
export const resultTable = (rows: readonly Row[]): string => {
  const [before] = rows
  const table = new Table({
    head: ['method', 'bytes', 'bits/weight', 'perplexity before', 'after', 'tokens/s'].map(name => pc.dim(name)),
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const row of rows) {
    const after = row === before ? '' : row.perplexity.toFixed(2)
    table.push([
      row.title,
      row.bytes.toLocaleString('en'),
      row.bitsPerWeight.toFixed(2),
      before.perplexity.toFixed(2),
      after,
      row.tokensPerSecond.toFixed(0),
    ])
  }
  return table.toString()
}

/** One line on stderr that tells where a pipeline is; silent where stderr is no terminal. */
export const progressLine = (title: string): { onProgress: (event: ProgressEvent) => void; stop: () => void } => {
  const shown = process.stderr.isTTY
  return {
    onProgress: event => {
      if (shown && event.type === 'stage')
        process.stderr.write(`\r\u001b[2K${title}: ${event.pass}, ${event.stage} (${event.index + 1} of ${event.of})`)
    },
    stop: () => void (shown && process.stderr.write('\r\u001b[2K')),
  }
}
