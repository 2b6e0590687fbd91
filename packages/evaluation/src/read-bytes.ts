import { CompressionError } from '@tersor/tensor'

/** Node's file system, looked up late so that browsers can load this package. */
export const fileSystem = () => globalThis.process.getBuiltinModule('node:fs/promises')

/** A file's bytes; throws NOT_FOUND where there is none and DISK where it cannot be read. */
export const readBytes = async (path: string): Promise<Uint8Array> => {
  try {
    return await fileSystem().readFile(path)
  } catch (cause) {
    const { code, message } = cause as { code?: string; message: string }
    if (code === 'ENOENT') throw new CompressionError('NOT_FOUND', `There is nothing at ${path}.`, 'Check the path.', { path }, cause)
    throw new CompressionError('DISK', `${path} cannot be read: ${message}.`, 'Check that it is a file and may be read.', { path }, cause)
  }
}
