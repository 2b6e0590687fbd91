import type { HubNames } from '../hub/hub-arguments.js'
import { convertModel, type ConvertRequest } from '../convert-model.js'
import { inFormat } from '../in-format.js'
import { bytesText, note, paint, writeResult, type Terminal } from '../output.js'
import { progressOn } from '../progress.js'
import type { TargetName } from '../targets/targets.js'
import { noteGrowth } from '../weight-bytes.js'

export interface ConvertFlags extends Omit<ConvertRequest, 'format'> {
  readonly format?: ConvertRequest['format']
  readonly for?: TargetName
  readonly bits?: number
  readonly hubNames?: HubNames
}

/** What `compress` may be told besides. */
const WITHOUT_STEPS = { step: [], calibrate: [], shuffle: false, seed: 0, resume: false, verify: false, activationMemory: 512 } as const

/** `tersor convert MODEL --out PATH`: writes a model in another format, or as a runtime wants it, which may take steps. */
export const convert = async (terminal: Terminal, path: string, flags: ConvertFlags, signal: AbortSignal): Promise<void> => {
  if (flags.for !== undefined || flags.bits !== undefined) {
    const { compress } = await import('./compress.js')
    return compress(terminal, path, { ...WITHOUT_STEPS, ...flags }, signal, () => true)
  }
  const progress = progressOn(terminal)
  const named = { model: flags.hubNames?.get(path) }
  const result = await convertModel(terminal, path, { ...(await inFormat(flags)), named }, { signal, onAdvance: progress.advance }).finally(
    () => progress.stop(),
  )
  const { out, bytesBefore, bytesAfter, seconds, notes, growth } = result
  for (const line of notes) note(terminal, line)
  noteGrowth(terminal, bytesBefore, bytesAfter, growth)
  const text = `${paint(terminal, out, 'bold')}  ${bytesText(bytesBefore)} → ${bytesText(bytesAfter)}  ${seconds.toFixed(1)} s`
  writeResult(terminal, result, text)
}
