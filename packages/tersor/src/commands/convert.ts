import type { HubNames } from '../hub/hub-arguments.js'
import { convertModel, type ConvertRequest } from '../convert-model.js'
import { bytesText, note, paint, writeResult, type Terminal } from '../output.js'
import { progressOn } from '../progress.js'
import { noteGrowth } from '../weight-bytes.js'

export interface ConvertFlags extends ConvertRequest {
  readonly hubNames?: HubNames
}

/** `tersor convert MODEL --out PATH --format FORMAT`: writes a model in another format. */
export const convert = async (terminal: Terminal, path: string, flags: ConvertFlags, signal: AbortSignal): Promise<void> => {
  const progress = progressOn(terminal)
  const result = await convertModel(
    terminal,
    path,
    { ...flags, named: { model: flags.hubNames?.get(path) } },
    { signal, onAdvance: progress.advance },
  ).finally(() => progress.stop())
  const { out, bytesBefore, bytesAfter, seconds, notes } = result
  for (const line of notes) note(terminal, line)
  noteGrowth(terminal, bytesBefore, bytesAfter)
  const text = `${paint(terminal, out, 'bold')}  ${bytesText(bytesBefore)} → ${bytesText(bytesAfter)}  ${seconds.toFixed(1)} s`
  writeResult(terminal, result, text)
}
