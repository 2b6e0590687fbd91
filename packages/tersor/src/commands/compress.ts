import { askedRun } from '../asked-run.js'
import { runCompression } from '../compress-model.js'
import type { CompressRequest } from '../compress-request.js'
import { screenOf } from '../compression-screen.js'
import { withLocalCopies, type HubNames } from '../hub/hub-arguments.js'
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
  /** A repository on the hub that the result goes to. */
  readonly push?: string
  readonly hubNames?: HubNames
}

/** Checked before any work is done. */
const placeToPush = async (text: string): Promise<string> => {
  const { pushName, requireToken } = await import('../hub/push.js')
  await requireToken()
  return pushName(text)
}

/** Copies of what a config names on the hub, and how everything was named. */
const namedSources = async (
  terminal: Terminal,
  signal: AbortSignal,
  {
    model,
    calibrate,
    evaluate,
    hubNames = new Map(),
  }: Pick<CompressFlags, 'calibrate' | 'evaluate' | 'hubNames'> & { readonly model: string },
) => {
  const options = { calibrate, ...(evaluate === undefined ? {} : { evaluate }) }
  const local = await withLocalCopies(terminal, signal, { args: [model], options })
  const nameOf = (path: unknown): string | undefined => hubNames.get(path as string) ?? local.names.get(path as string)
  const [at] = local.args as readonly [string]
  const copies = local.options as typeof options
  return { model: at, ...copies, named: { model: nameOf(at) ?? model, calibrate: copies.calibrate.map(path => nameOf(path) ?? path) } }
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
    const { model: asked, flags: joined, steps, texts } = await askedRun(path, given, isTyped)
    const { model, named, ...local } = await namedSources(terminal, signal, { model: asked, ...joined })
    const flags = await inFormat({ ...joined, ...local })
    const repository = flags.push === undefined ? undefined : await placeToPush(flags.push)
    const { onProgress, advance: onAdvance, expect: onOpened } = progress
    const request = { ...flags, steps, named: { ...named, steps: texts } }
    const result = await runCompression(terminal, model, request, { signal, onProgress, onAdvance, onOpened })
    progress.stop()
    noteGrowth(terminal, result.bytesBefore, result.bytesAfter, result.growth)
    if (flags.report !== undefined) {
      const { reportPage } = await import('../page/report-page.js')
      await writeWhole(flags.report, await reportPage(result, commandOf((await readRecipe(flags.out))!, flags.out)))
      note(terminal, `written: ${flags.report}`)
    }
    writeResult(terminal, result, screenOf(terminal, result))
    requireAgreement(result.verification)
    if (repository !== undefined) {
      const { pushOutput } = await import('../hub/push.js')
      note(terminal, `on the hub, private: ${await pushOutput(flags.out, repository, signal)}`)
    }
  } finally {
    progress.stop()
  }
}
