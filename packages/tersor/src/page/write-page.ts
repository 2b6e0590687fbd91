import { CompressionError } from '@tersor/tensor'
import { rename, rm, writeFile } from 'node:fs/promises'

/** Writes a text beside its place and puts it there whole; throws DISK. */
export const writeWhole = async (path: string, text: string): Promise<void> => {
  const unfinished = `${path}.partial`
  try {
    await writeFile(unfinished, text)
    await rename(unfinished, path)
  } catch (cause) {
    await rm(unfinished, { force: true }).catch(() => undefined)
    throw new CompressionError(
      'DISK',
      `${path} cannot be written: ${(cause as Error).message.split('\n')[0]}.`,
      'Choose another path, in a folder that is there and may be written to.',
      { path },
      cause,
    )
  }
}
