import { CompressionError } from '@tersor/tensor'
import { readBytes } from './read-bytes.js'

const SEPARATOR = /^<\|endoftext\|>[^\S\n]*$/m

/** The documents of a text, which lines `<|endoftext|>` separate; each trimmed, empty ones left out. */
export const splitDocuments = (text: string): readonly string[] =>
  text
    .split(SEPARATOR)
    .map(document => document.trim())
    .filter(document => document !== '')

/** Reads a text file as documents; throws NOT_FOUND or DISK for the file and BAD_DATA where it holds no text. */
export const readDocuments = async (path: string): Promise<readonly string[]> => {
  const documents = splitDocuments(new TextDecoder().decode(await readBytes(path)))
  if (documents.length > 0) return documents
  throw new CompressionError('BAD_DATA', `${path} holds no text.`, 'Pass a file of text; lines <|endoftext|> separate documents.', { path })
}
