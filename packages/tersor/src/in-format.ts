import { CompressionError } from '@tersor/tensor'
import type { OutputFormat } from './format-flags.js'

/** What the end of a path says of the format of a file. */
const ENDINGS: Readonly<Record<string, OutputFormat>> = { '.gguf': 'gguf', '.onnx': 'onnx' }
/** Ends of files that no format is written as: a folder of that name would be taken for one. */
const NO_FOLDER = ['.safetensors', '.json', '.bin', '.pt', '.pth']

/** Flags with the format that is asked for, by --format or the end of --out; throws BAD_OPTION where the two contradict each other. */
export const inFormat = <F extends { readonly format?: OutputFormat; readonly out: string }>(
  flags: F,
): F & { readonly format: OutputFormat } => {
  const { format, out } = flags
  const ending = /\.[^./\\]+$/.exec(out.toLowerCase())?.[0] ?? ''
  const byEnding = ENDINGS[ending]
  if (NO_FOLDER.includes(ending) || (format && byEnding && format !== byEnding))
    throw new CompressionError(
      'BAD_OPTION',
      `--out ${out} names a file ${ending}, and ${NO_FOLDER.includes(ending) ? 'results are folders, .gguf or .onnx files' : `--format is ${format}`}.`,
      'Choose an --out that goes with the format.',
      { out },
    )
  return { ...flags, format: format ?? byEnding ?? 'huggingface' }
}
