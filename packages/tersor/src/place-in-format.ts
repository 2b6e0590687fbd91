import { PROMPT } from '@tersor/core/prompted'
import { within } from '@tersor/formats/internal/files/file-system'
import type { Format, FormatWriter } from '@tersor/models/internal/formats/format'
import type { OpenedModel } from '@tersor/models/open-model'
import { CompressionError, type Outline, type Parameter, type ParameterSink } from '@tersor/tensor'
import type { OutputFormat } from './format-flags.js'

/** Where a model is to go. */
export interface Placing {
  readonly format: OutputFormat
  readonly writer: FormatWriter
  /** All that there are, of which an error names those that would do. */
  readonly formats: readonly Format[]
  readonly out: string
}

/** A sink that is handed parameters by the names of the file that the model came from, where the format has none of its own. */
export const withStoredNames = (sink: ParameterSink, { ownNames }: FormatWriter, model: OpenedModel): ParameterSink => {
  const nameIn = !ownNames && 'storedName' in model && model.storedName ? model.storedName : (name: string) => name
  return {
    ...sink,
    write: (name: string, parameter: Parameter) => sink.write(nameIn(name), parameter),
    ...(sink.copy ? { copy: (name: string, outline: Outline) => sink.copy!(nameIn(name), outline) } : {}),
  }
}

/** Where the result stands: a file, or a folder. */
export const placeOf = ({ end, fileIn }: FormatWriter, out: string): string =>
  fileIn === undefined || out.endsWith(end!) ? out : within(out, fileIn)

const noPlace = (format: OutputFormat, what: string, others: readonly string[], fields: object): CompressionError =>
  new CompressionError('UNSUPPORTED', `The format ${format} has no place for ${what}.`, `Use --format ${others.join(' or ')}.`, {
    ...fields,
  })

/** The error for a prompt of vectors in a format that would lose it. */
export const noPrompts = (format: OutputFormat, formats: readonly Format[]): CompressionError => {
  const others = formats.filter(each => each.writer?.prompts).map(({ name }) => name)
  return noPlace(format, 'a prompt of vectors', others, {})
}

/** Throws UNSUPPORTED or BAD_OPTION where the model has no place in the format. Graphs are written as they came: other formats hold no operators. */
export const refuseMisplaced = (model: OpenedModel, { writer, format, formats, out }: Placing): void => {
  if (model.family === 'graph' && format !== model.format) throw noPlace(format, 'a graph', [model.format], { format })
  const refusal = writer.refuses?.(model, out)
  if (refusal) throw refusal
  if (model.family === 'graph') return
  if (!writer.prompts && model.params.names().includes(PROMPT)) throw noPrompts(format, formats)
  if (writer.holds.includes(model.family)) return
  const others = formats.filter(each => each.writer?.holds.includes(model.family)).map(({ name }) => name)
  throw noPlace(format, model.architecture, others, { architecture: model.architecture })
}
