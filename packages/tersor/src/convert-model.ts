import { sizeOfModel } from '@tersor/evaluation/size-of-model'
import { copyStore, type Parameter } from '@tersor/tensor'
import { garbageCollector } from './collect-garbage.js'
import { hasText } from './texts/text-model.js'
import { defined } from './defined.js'
import { describeOutput, nameInConfig } from './describe-output.js'
import type { FormatFlags, OutputFormat } from './format-flags.js'
import { growthText } from './growth-text.js'
import { noteMemory } from './memory-bound.js'
import { openDirectOutput } from './model-output.js'
import type { Terminal } from './output.js'
import { handedDtype, inDtype } from './plain-floats.js'
import { recipeOf } from './recipe.js'
import { hashOfData, whileHashed } from './source-hashes.js'
import { weightBytes } from './weight-bytes.js'
import { withModel, type CutFlags } from './with-model.js'
import { writerOf } from './writer-of.js'

/** What a conversion is asked for. */
export interface ConvertRequest extends Omit<FormatFlags, 'imatrix'>, CutFlags {
  readonly format: OutputFormat
  readonly imatrix?: string
  readonly out: string
  readonly overwrite: boolean
  /** The model as a user named it, for the recipe; its path where absent. */
  readonly named?: { readonly model?: string | undefined }
}

/** What came of it. */
export interface Converted {
  readonly out: string
  readonly format: OutputFormat
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly seconds: number
  readonly notes: readonly string[]
  /** Why it is not smaller than its source, should it be so. */
  readonly growth?: string
}

/** Writes the model at a path in another format, two parameters in memory at a time. */
export const convertModel = (
  terminal: Terminal,
  path: string,
  flags: ConvertRequest,
  { signal, onAdvance }: { readonly signal: AbortSignal; readonly onAdvance: (done: number, of: number, label: string) => void },
): Promise<Converted> =>
  whileHashed(path, hash =>
    withModel(terminal, { ...flags, path }, async model => {
      const started = Date.now()
      noteMemory(terminal, model, {})
      const output = await openDirectOutput(model, path, flags)
      const collectGarbage = garbageCollector()
      const dtype = handedDtype(await writerOf(flags.format), flags.dtype)
      const store = await copyStore(model.params, output.sink, {
        signal,
        ...(dtype ? { change: (name: string, parameter: Parameter) => inDtype(name, parameter, dtype) } : {}),
        onProgress: (done, of) => {
          onAdvance(done, of, 'convert')
          collectGarbage()
        },
      })
      const growth = growthText(model.params, store)
      await store.close?.()
      const [bytesBefore, bytesAfter] = [await weightBytes(path), await weightBytes(output.path)]
      const { format, type, imatrix, form, checkpointFormat, named, cut } = flags
      const given = defined({ type, imatrix, form, checkpointFormat, dtype: flags.dtype, cut })
      const sources = { model: await hash, ...(imatrix === undefined ? {} : { imatrix: await hashOfData([imatrix]) }) }
      await describeOutput(flags.out, {
        recipe: recipeOf({ model: named?.model ?? path, steps: [], format, ...given, seed: 0, facts: {}, sources }),
        ...{ architecture: model.architecture, bytesBefore, bytesAfter },
        ...{ parameters: sizeOfModel(model).parameters, generates: hasText(model), saysItIs: nameInConfig(model) },
      })
      const seconds = (Date.now() - started) / 1000
      return { out: output.path, format, bytesBefore, bytesAfter, seconds, notes: output.notes(), ...defined({ growth }) }
    }),
  )
