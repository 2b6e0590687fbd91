import { CompressionError } from '@tersor/tensor'
import { BENCH_COLUMNS } from '../bench/bench-columns.js'
import { benchModels, type BenchRequest } from '../bench/bench-models.js'
import { bundledModel, type BenchModel } from '../bench/bundled-model.js'
import { columnsText } from '../columns.js'
import { paint, writeResult, type Terminal } from '../output.js'
import { progressOn } from '../progress.js'
import { writeTables, type TableFlags } from '../table-outputs.js'
import { trialsProgress } from '../trials-progress.js'

/** Flags of `tersor bench`. */
export interface BenchFlags extends Omit<BenchRequest, 'steps'>, TableFlags {
  readonly model?: string
}

/** What is named, or the bundled model with its texts. */
const modelOf = async ({ model, data, calibrate }: BenchFlags): Promise<BenchModel> => {
  if (model !== undefined) return { model, calibrate, ...(data ? { data } : {}) }
  const bundled = await bundledModel(process.cwd())
  if (!bundled)
    throw new CompressionError('BAD_OPTION', 'No model was given to bench on.', 'Pass --model MODEL --data TEXT; --calibrate TEXT lets rivals learn that do.') // prettier-ignore
  return { ...bundled, ...(data ? { data } : {}), ...(calibrate.length > 0 ? { calibrate } : {}) }
}

/** `tersor bench ./mine.ts:method()`: one's own step beside standard ones at the same bits. */
export const bench = async (terminal: Terminal, steps: readonly string[], flags: BenchFlags, signal: AbortSignal): Promise<void> => {
  const { model, data, calibrate } = await modelOf(flags)
  const progress = progressOn(terminal)
  try {
    const hearing = { signal, ...trialsProgress(terminal, progress, 'bench') }
    const rows = await benchModels(terminal, model, { ...flags, steps, data, calibrate }, hearing)
    progress.stop()
    const page = async () => (await import('../page/bench-page.js')).benchPage(model, data?.join(', '), rows)
    await writeTables(terminal, flags, BENCH_COLUMNS, rows, page)
    const legend = paint(terminal, '> your own; bits are of the layers that were compressed', 'dim')
    writeResult(terminal, { model, ...(data ? { data } : {}), rows }, `${columnsText(terminal, BENCH_COLUMNS, rows)}\n${legend}`)
  } finally {
    progress.stop()
  }
}
