import { CompressionError } from '@tersor/tensor'
import { within, writeFile } from '../../files/file-system.js'
import { createOutput, type OutputOptions } from '../../files/output.js'
import { encodeDat, MAX_NAME_BYTES } from './dat.js'
import { encodeGgufForm } from './gguf-form.js'
import type { Imatrix } from './imatrix.js'

/** gguf is what llama.cpp writes now; dat what it wrote until 2025 and still reads: one count a weight, one name of a text. */
export type ImatrixForm = 'gguf' | 'dat'

export interface WriteImatrixOptions extends OutputOptions {
  /** gguf where absent. */
  readonly form?: ImatrixForm
}

const FORMS: Readonly<Record<ImatrixForm, (imatrix: Imatrix) => Uint8Array>> = { gguf: encodeGgufForm, dat: encodeDat }

const check = ({ entries }: Imatrix): void => {
  if (entries.size === 0) throw new CompressionError('BAD_DATA', 'The importance matrix has no entries.', 'Calibrate first.')
  for (const [name, { sums, calls }] of entries) {
    const fits = calls.length > 0 && sums.length > 0 && sums.length % calls.length === 0 && name.length > 0 && name.length <= MAX_NAME_BYTES
    if (fits && sums.every(sum => sum >= 0 && sum < Infinity) && calls.every(count => Number.isSafeInteger(count) && count >= 0)) continue
    throw new CompressionError(
      'BAD_DATA',
      `The entry "${name}" is no list of sums of squares with their counts.`,
      'Sums are finite and not negative, counts whole, and as many sums belong to each count.',
      { name },
    )
  }
}

/**
 * Writes an importance matrix for llama-quantize; the file appears whole or not at all.
 * Throws BAD_DATA, BAD_OPTION, OUTPUT_EXISTS, DISK and NOT_FOUND.
 */
export const writeImatrix = async (path: string, imatrix: Imatrix, options: WriteImatrixOptions = {}): Promise<void> => {
  const { form = 'gguf' } = options
  if (!Object.hasOwn(FORMS, form))
    throw new CompressionError('BAD_OPTION', `There is no form "${String(form)}".`, `Forms are ${Object.keys(FORMS).join(', ')}.`, { form })
  check(imatrix)
  const output = createOutput(path, options)
  await output.step(async () => {
    const file = within(output.folder, 'imatrix')
    await writeFile(output.fs, file, FORMS[form](imatrix))
    await output.publish([{ from: file, to: path }])
  })
}
