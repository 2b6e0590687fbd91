import { decode } from '@tersor/core'
import { CompressionError, copyStore, DTYPES, fromFloat32, requireFinite, toFloat32, type Parameter } from '@tersor/tensor'
import { garbageCollector } from '../collect-garbage.js'
import { noteMemory } from '../memory-bound.js'
import { openDirectOutput } from '../model-output.js'
import { bytesText, note, paint, writeResult, type Terminal } from '../output.js'
import type { DENSE_DTYPES, FormatFlags } from '../format-flags.js'
import { progressOn } from '../progress.js'
import { withModel } from '../with-model.js'
import { noteGrowth, weightBytes } from '../weight-bytes.js'

export interface ConvertFlags extends FormatFlags {
  readonly out: string
  readonly overwrite: boolean
  /** What all floats and compressed weights become in a Hugging Face folder; they stay as they are where absent. */
  readonly dtype?: (typeof DENSE_DTYPES)[number]
}

/** The values of a parameter in a float dtype; integers stay. Throws NOT_FINITE, by name, for what the dtype has no room for. */
const plain = async (name: string, parameter: Parameter, dtype: NonNullable<ConvertFlags['dtype']>): Promise<Parameter> => {
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

/** `tersor convert MODEL --out PATH --format FORMAT`: writes a model in another format, two parameters in memory at a time. */
export const convert = (terminal: Terminal, path: string, flags: ConvertFlags, signal: AbortSignal): Promise<void> =>
  withModel(terminal, path, async model => {
    const started = Date.now()
    noteMemory(terminal, model, {})
    const output = await openDirectOutput(model, path, flags)
    const progress = progressOn(terminal)
    const collectGarbage = garbageCollector()
    try {
      const { dtype } = flags
      const store = await copyStore(model.params, output.sink, {
        signal,
        ...(dtype ? { change: (name: string, parameter: Parameter) => plain(name, parameter, dtype) } : {}),
        onProgress: (done, of) => {
          progress.advance(done, of, 'convert')
          collectGarbage()
        },
      })
      await store.close?.()
    } finally {
      progress.stop()
    }
    const bytesBefore = await weightBytes(path)
    const bytesAfter = await weightBytes(output.path)
    const seconds = (Date.now() - started) / 1000
    for (const line of output.notes()) note(terminal, line)
    noteGrowth(terminal, bytesBefore, bytesAfter)
    writeResult(
      terminal,
      { out: output.path, format: flags.format, bytesBefore, bytesAfter, seconds, notes: output.notes() },
      `${paint(terminal, output.path, 'bold')}  ${bytesText(bytesBefore)} → ${bytesText(bytesAfter)}  ${seconds.toFixed(1)} s`,
    )
  })
