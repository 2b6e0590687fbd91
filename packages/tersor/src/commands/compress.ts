import { askedRun } from '../asked-run.js'
import { runCompression, type CompressRequest } from '../compress-model.js'
import { screenOf } from '../compression-screen.js'
import { inFormat } from '../in-format.js'
import { note, writeResult, type Terminal } from '../output.js'
import { writeWhole } from '../page/write-page.js'
import { progressOn } from '../progress.js'
import { readRecipe, commandOf } from '../recipe.js'
import { requireAgreement } from '../verify.js'
import { noteGrowth } from '../weight-bytes.js'

export interface CompressFlags extends Omit<CompressRequest, 'steps' | 'out' | 'format' | 'named'> {
  readonly step: readonly string[]
  readonly config?: string
  readonly out?: string
  readonly format?: CompressRequest['format']
  /** A page about the run. */
  readonly report?: string
}

/** `tersor compress MODEL --out DIR`: runs a pipeline and saves the result. `isTyped` tells flags that were typed from defaults. */
export const compress = async (
  terminal: Terminal,
  path: string | undefined,
  given: CompressFlags,
  signal: AbortSignal,
  isTyped: (flag: string) => boolean,
): Promise<void> => {
  const progress = progressOn(terminal)
  try {
    const { model, flags: joined, steps, texts } = await askedRun(path, given, isTyped)
    const flags = await inFormat(joined)
    const { onProgress, advance: onAdvance, expect: onOpened } = progress
    const named = { model, steps: texts }
    const result = await runCompression(terminal, model, { ...flags, steps, named }, { signal, onProgress, onAdvance, onOpened })
    progress.stop()
    noteGrowth(terminal, result.bytesBefore, result.bytesAfter, result.growth)
    if (flags.report !== undefined) {
      const { reportPage } = await import('../page/report-page.js')
      await writeWhole(flags.report, await reportPage(result, commandOf((await readRecipe(flags.out))!, flags.out)))
      note(terminal, `written: ${flags.report}`)
    }
    writeResult(terminal, result, screenOf(terminal, result))
    requireAgreement(result.verification)
  } finally {
    progress.stop()
  }
}
