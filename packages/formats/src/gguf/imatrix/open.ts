import { badFile } from '../../files/bad-file.js'
import { openSource } from '../../files/byte-source.js'
import type { FileSystem } from '../../files/file-system.js'
import { parseDat } from './dat.js'
import { parseGgufForm } from './gguf-form.js'
import type { Imatrix } from './imatrix.js'

/** One number for each input column of each weight: of the largest models with all their experts some hundred megabytes. */
export const MAX_IMATRIX_BYTES = 1 << 30

const MAGIC = 'GGUF'

/**
 * Reads an importance matrix as llama-imatrix writes them, in the older form (.dat) or as GGUF.
 * Throws NOT_FOUND, DISK, BAD_FILE and UNSUPPORTED (a version of GGUF).
 */
export const openImatrix = async (from: string | Blob, { fileSystem }: { readonly fileSystem?: FileSystem } = {}): Promise<Imatrix> => {
  const source = await openSource(from, fileSystem)
  try {
    if (source.size > MAX_IMATRIX_BYTES)
      throw badFile(`${source.name} has ${source.size} bytes; at most ${MAX_IMATRIX_BYTES} are read.`, 'Check that it is the right file.')
    const bytes = await source.read(0, source.size)
    const isGguf = String.fromCharCode(...bytes.subarray(0, MAGIC.length)) === MAGIC
    return isGguf ? parseGgufForm(bytes) : parseDat(bytes)
  } finally {
    await source.close()
  }
}
