import { decode } from '@tersor/core/decode'
import type { FormatWriter } from '@tersor/models/internal/formats/format'
import { CompressionError, DTYPES, fromFloat32, requireFinite, toFloat32, type Parameter, type ParameterSink } from '@tersor/tensor'
import type { DENSE_DTYPES } from './format-flags.js'

export type DenseDtype = (typeof DENSE_DTYPES)[number]

/** Larger numbers round to infinity in f16. */
const BEYOND_HALF = 65520

/** Scales of grids of inputs say what a graph rounds by: they stay as they are. */
const GRID = /\.input_(scale|zero_point|row_levels)$/

const valuesOf = async (parameter: Parameter): Promise<Float32Array> => {
  const tensor = decode(parameter)
  const values = await tensor.data<'float32'>()
  tensor.dispose()
  return values
}

/** The values of a parameter in a float dtype; integers stay. Throws NOT_FINITE, by name, for what the dtype has no room for. */
export const inDtype = async (name: string, parameter: Parameter, dtype: DenseDtype): Promise<Parameter> => {
  if (GRID.test(name)) return parameter
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

/** What a format must be handed to hold floats of a dtype; undefined where its sink rounds by itself or nothing was asked for. */
export const handedDtype = ({ roundsTo = [] }: FormatWriter, dtype: string | undefined): DenseDtype | undefined =>
  dtype === undefined || roundsTo.includes(dtype) ? undefined : (dtype as DenseDtype)

/** A sink that is handed plain floats in a dtype; trees stay as they are. */
export const plainIn = (sink: ParameterSink, dtype: DenseDtype | undefined): ParameterSink => {
  if (dtype === undefined) return sink
  const { copy: _bytes, ...rest } = sink // what is copied as bytes would keep its dtype
  return {
    ...rest,
    write: async (name, parameter) => sink.write(name, parameter.kind === 'dense' ? await inDtype(name, parameter, dtype) : parameter),
  }
}
