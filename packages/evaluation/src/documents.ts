import { CompressionError } from '@tersor/tensor'
import { readBytes } from './read-bytes.js'
import { decodeText, refuseJson } from './text-bytes.js'

const SEPARATOR = /^<\|endoftext\|>[^\S\n]*$/m

/** The documents of a text, which lines `<|endoftext|>` separate; each trimmed, empty ones left out. */
export const splitDocuments = (text: string): readonly string[] =>
  text
    .split(SEPARATOR)
    .map(document => document.trim())
    .filter(document => document !== '')

/**
 * Reads a text file as documents; throws NOT_FOUND or DISK for the file and BAD_DATA where it holds no text: no UTF-8, control characters
 * as binary files have them, JSON, or nothing.
 */
export const readDocuments = async (path: string): Promise<readonly string[]> => documentsOf(path, await readBytes(path))

/** The documents of the bytes of a text file; throws BAD_DATA as `readDocuments` does. */
export const documentsOf = (path: string, bytes: Uint8Array): readonly string[] => {
  const text = decodeText(path, bytes)
  refuseJson(path, text)
  const documents = splitDocuments(text)
  if (documents.length > 0) return documents
  throw new CompressionError('BAD_DATA', `${path} holds no text.`, 'Pass a file of text; lines <|endoftext|> separate documents.', { path })
}
