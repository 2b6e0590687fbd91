import { decode } from '@tersor/core'
import { sizeOfModel } from '@tersor/evaluation/size-of-model'
import { CompressionError, copyStore, DTYPES, fromFloat32, requireFinite, toFloat32, type Parameter } from '@tersor/tensor'
import { garbageCollector } from './collect-garbage.js'
import { hasText } from './commands/evaluate.js'
import { nameInConfig } from './describe-run.js'
import { describeOutput } from './describe-output.js'
import type { DENSE_DTYPES, FormatFlags, OutputFormat } from './format-flags.js'
import { noteMemory } from './memory-bound.js'
import { openDirectOutput } from './model-output.js'
import type { Terminal } from './output.js'
import { recipeOf } from './recipe.js'
import { hashOfData, hashOfModel } from './source-hashes.js'
import { weightBytes } from './weight-bytes.js'
import { withModel } from './with-model.js'

type DenseDType = (typeof DENSE_DTYPES)[number]

/** What a conversion is asked for. */
export interface ConvertRequest extends FormatFlags {
  readonly format: OutputFormat
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
}

/** The values of a parameter in a float dtype; integers stay. Throws NOT_FINITE, by name, for what the dtype has no room for. */
const plain = async (name: string, parameter: Parameter, dtype: DenseDType): Promise<Parameter> => {
  if (parameter.kind === 'dense' && (parameter.dtype === dtype || DTYPES[parameter.dtype].kind !== 'float')) return parameter
  const values = parameter.kind === 'dense' ? toFloat32(parameter) : await valuesOf(parameter)
  if (dtype === 'f32') return fromFloat32(values, dtype, parameter.shape)
  const largest = requireFinite(name, values, parameter.shape)
  if (dtype === 'f16' && largest >= BEYOND_HALF)
    throw new CompressionError(
      'NOT_FINITE',
      `"${name}" holds numbers up to ${largest}, which f16 has no room for.`,
      'Pass --dtype bf16 or --dtype f32.',
      { name, largest },
    )
  return fromFloat32(values, dtype, parameter.shape)
}

/** Larger numbers round to infinity in f16. */
const BEYOND_HALF = 65520

const valuesOf = async (parameter: Parameter): Promise<Float32Array> => {
  const tensor = decode(parameter)
  const values = await tensor.data<'float32'>()
  tensor.dispose()
  return values
}

/** Writes the model at a path in another format, two parameters in memory at a time. */
export const convertModel = (
  terminal: Terminal,
  path: string,
  flags: ConvertRequest,
  { signal, onAdvance }: { readonly signal: AbortSignal; readonly onAdvance: (done: number, of: number, label: string) => void },
): Promise<Converted> =>
  withModel(terminal, path, async model => {
    const started = Date.now()
    noteMemory(terminal, model, {})
    const output = await openDirectOutput(model, path, flags)
    const collectGarbage = garbageCollector()
    const dtype = flags.dtype as DenseDType | undefined
    const store = await copyStore(model.params, output.sink, {
      signal,
      ...(dtype ? { change: (name: string, parameter: Parameter) => plain(name, parameter, dtype) } : {}),
      onProgress: (done, of) => {
        onAdvance(done, of, 'convert')
        collectGarbage()
      },
    })
    await store.close?.()
    const [bytesBefore, bytesAfter] = [await weightBytes(path), await weightBytes(output.path)]
    const { format, type, imatrix, form, checkpointFormat, named } = flags
    const given = Object.fromEntries(
      Object.entries({ type, imatrix, form, checkpointFormat, dtype }).filter(([, value]) => value !== undefined),
    )
    const sources = { model: await hashOfModel(path), ...(imatrix === undefined ? {} : { imatrix: await hashOfData(imatrix) }) }
    await describeOutput(flags.out, {
      recipe: recipeOf({ model: named?.model ?? path, steps: [], format, ...given, seed: 0, facts: {}, sources }),
      ...{ architecture: model.architecture, bytesBefore, bytesAfter },
      ...{ parameters: sizeOfModel(model).parameters, generates: hasText(model), saysItIs: nameInConfig(model) },
    })
    return { out: output.path, format, bytesBefore, bytesAfter, seconds: (Date.now() - started) / 1000, notes: output.notes() }
  })
