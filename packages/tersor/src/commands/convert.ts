import { copyStore, type Parameter } from '@tersor/tensor'
import { garbageCollector } from '../collect-garbage.js'
import { noteMemory } from '../memory-bound.js'
import { growthText } from '../growth-text.js'
import { openDirectOutput } from '../model-output.js'
import { handedDtype, inDtype, type DenseDtype } from '../plain-floats.js'
import { bytesText, note, paint, writeResult, type Terminal } from '../output.js'
import type { FormatFlags } from '../format-flags.js'
import { progressOn } from '../progress.js'
import type { TargetName } from '../targets/targets.js'
import { withModel } from '../with-model.js'
import { writerOf } from '../writer-of.js'
import { noteGrowth, weightBytes } from '../weight-bytes.js'

export interface ConvertFlags extends FormatFlags {
  readonly out: string
  readonly overwrite: boolean
  /** What all floats and compressed weights become; they stay as they are where absent. */
  readonly dtype?: DenseDtype
  readonly for?: TargetName
  readonly bits?: number
}

/** `tersor convert MODEL --out PATH`: writes a model in another format, or as a runtime wants it, which may take steps. */
export const convert = async (terminal: Terminal, path: string, flags: ConvertFlags, signal: AbortSignal): Promise<void> => {
  if (flags.for === undefined && flags.bits === undefined) return copy(terminal, path, flags, signal)
  const { compress } = await import('./compress.js')
  return compress(terminal, path, { ...WITHOUT_STEPS, ...flags }, signal)
}

/** What `compress` may be told besides. */
const WITHOUT_STEPS = { step: [], calibrate: [], shuffle: false, seed: 0, resume: false, verify: false, activationMemory: 512 } as const

/** Two parameters in memory at a time. */
const copy = (terminal: Terminal, path: string, flags: ConvertFlags, signal: AbortSignal): Promise<void> =>
  withModel(terminal, path, async model => {
    const started = Date.now()
    noteMemory(terminal, model, {})
    const output = await openDirectOutput(model, path, flags)
    const progress = progressOn(terminal)
    const collectGarbage = garbageCollector()
    let growth: string | undefined
    try {
      const dtype = handedDtype(await writerOf(flags.format), flags.dtype)
      const store = await copyStore(model.params, output.sink, {
        signal,
        ...(dtype ? { change: (name: string, parameter: Parameter) => inDtype(name, parameter, dtype) } : {}),
        onProgress: (done, of) => {
          progress.advance(done, of, 'convert')
          collectGarbage()
        },
      })
      growth = growthText(model.params, store)
      await store.close?.()
    } finally {
      progress.stop()
    }
    const bytesBefore = await weightBytes(path)
    const bytesAfter = await weightBytes(output.path)
    const seconds = (Date.now() - started) / 1000
    for (const line of output.notes()) note(terminal, line)
    noteGrowth(terminal, bytesBefore, bytesAfter, growth)
    writeResult(
      terminal,
      { out: output.path, format: flags.format, bytesBefore, bytesAfter, seconds, notes: output.notes() },
      `${paint(terminal, output.path, 'bold')}  ${bytesText(bytesBefore)} → ${bytesText(bytesAfter)}  ${seconds.toFixed(1)} s`,
    )
  })
