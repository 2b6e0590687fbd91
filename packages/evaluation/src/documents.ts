import { CompressionError } from '@tersor/tensor'
import { readBytes } from './read-bytes.js'

const SEPARATOR = /^<\|endoftext\|>[^\S\n]*$/m

/** The documents of a text, which lines `<|endoftext|>` separate; each trimmed, empty ones left out. */
export const splitDocuments = (text: string): readonly string[] =>
  text
    .split(SEPARATOR)
    .map(document => document.trim())
    .filter(document => document !== '')

const noText = (path: string, what: string, remedy: string): CompressionError =>
  new CompressionError('BAD_DATA', `${path} ${what}.`, remedy, { path })

const PLAIN = 'Pass a file of plain text; lines <|endoftext|> separate documents.'
/** Characters that no text has, besides those that lay it out. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/

const decoded = (path: string, bytes: Uint8Array): string => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    if (!CONTROL.test(text)) return text
  } catch {
    // not UTF-8
  }
  throw noText(path, 'is no text: its bytes are not those of UTF-8', PLAIN)
}

const isJson = (text: string): boolean => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null
  } catch {
    return false
  }
}

/** What the braces of JSON would teach a model is how to write JSON. */
const refuseJson = (path: string, text: string): void => {
  const lines = text.split('\n').filter(line => line.trim() !== '')
  if (lines.length > 1 && lines.slice(0, 16).every(isJson))
    throw noText(path, 'holds an object of JSON a line, not text', 'Write the texts of its fields into a file of plain text first.')
  if (/^\s*[{[]/.test(text) && isJson(text)) throw noText(path, 'holds JSON, not text', PLAIN)
}

/**
 * Reads a text file as documents; throws NOT_FOUND or DISK for the file and BAD_DATA where it holds no text: no UTF-8, control characters
 * as binary files have them, JSON, or nothing.
 */
export const readDocuments = async (path: string): Promise<readonly string[]> => {
  const text = decoded(path, await readBytes(path))
  refuseJson(path, text)
  const documents = splitDocuments(text)
  if (documents.length > 0) return documents
  throw new CompressionError('BAD_DATA', `${path} holds no text.`, 'Pass a file of text; lines <|endoftext|> separate documents.', { path })
}
