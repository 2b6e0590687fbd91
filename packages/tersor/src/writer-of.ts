import { FORMATS, loadFormats } from '@tersor/models/formats'
import type { Format, FormatOptions, FormatWriter, OpenSink } from '@tersor/models/internal/formats/format'
import { CompressionError } from '@tersor/tensor'
import type { FormatFlags, OutputFormat } from './format-flags.js'

type Option = keyof FormatOptions

const OPTIONS: readonly Option[] = ['type', 'imatrix', 'form', 'checkpointFormat', 'dtype']

const flagOf = (option: Option): string => `--${option.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`

const refuse = (option: Option, format: OutputFormat, takers: readonly Format[]): CompressionError =>
  new CompressionError(
    'BAD_OPTION',
    `${flagOf(option)} says nothing to the format ${format}.`,
    `Pass it with --format ${takers.map(({ name }) => name).join(' or ')}, or leave it out.`,
    { option },
  )

/** How a format is written. */
export const writerOf = async (format: OutputFormat): Promise<FormatWriter> => {
  const { writer }: Format = await FORMATS[format]()
  if (writer) return writer
  throw new CompressionError('UNSUPPORTED', `The format ${format} is not installed.`, `npm install @tersor/${format}`, { format })
}

/** How the sinks of a format are opened; what it reads for that is read now. Throws BAD_OPTION and what the format throws. */
export const sinkOf = async (flags: FormatFlags): Promise<OpenSink> => {
  const { options, dtypes, sink } = await writerOf(flags.format)
  const wrong = OPTIONS.find(option => flags[option] !== undefined && !options.includes(option))
  if (wrong === undefined && flags.dtype !== undefined && dtypes && !dtypes.includes(flags.dtype))
    throw new CompressionError(
      'BAD_OPTION',
      `The format ${flags.format} holds no ${flags.dtype}.`,
      `Pass --dtype ${dtypes.join(' or ')}.`,
      {
        dtype: flags.dtype,
      },
    )
  if (wrong === undefined) return sink(flags)
  const takers = (await loadFormats()).filter(({ writer }) => writer?.options.includes(wrong))
  throw refuse(wrong, flags.format, takers)
}
