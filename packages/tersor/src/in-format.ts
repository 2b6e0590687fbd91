import { loadFormats } from '@tersor/models/formats'
import { CompressionError } from '@tersor/tensor'
import type { OutputFormat } from './format-flags.js'
import { ggufType } from './gguf-type.js'

/** Ends of files of weights besides those that are read here: a folder of that name would be taken for one. */
const OF_OTHERS = ['.bin', '.pt', '.pth']

/** Flags with the format that is asked for, by --format or the end of --out; throws BAD_OPTION where the two contradict each other. */
export const inFormat = async <F extends { readonly format?: OutputFormat; readonly out: string; readonly type?: string }>(
  flags: F,
): Promise<F & { readonly format: OutputFormat; readonly formatIsAsked: boolean }> => {
  const { format, out, type } = flags
  const formats = await loadFormats()
  if (format !== undefined && !formats.some(({ name }) => name === format))
    throw new CompressionError(
      'BAD_OPTION',
      `There is no format ${JSON.stringify(format)}.`,
      `Formats are ${formats.map(({ name }) => name).join(', ')}.`,
      { format },
    )
  const ending = /\.[^./\\]+$/.exec(out.toLowerCase())?.[0] ?? ''
  const byEnding = formats.find(({ writer }) => writer?.end === ending)?.name as OutputFormat | undefined
  const isNoFolder = !byEnding && [...OF_OTHERS, ...formats.flatMap(({ ends = [] }) => ends)].includes(ending)
  if (isNoFolder || (format && byEnding && format !== byEnding))
    throw new CompressionError(
      'BAD_OPTION',
      `--out ${out} names a file ${ending}, and ${isNoFolder ? 'results are folders, .gguf or .onnx files' : `--format is ${format}`}.`,
      'Choose an --out that goes with the format.',
      { out },
    )
  const named = type === undefined ? {} : { type: await ggufType(type) }
  return { ...flags, ...named, format: format ?? byEnding ?? 'huggingface', formatIsAsked: (format ?? byEnding) !== undefined }
}
