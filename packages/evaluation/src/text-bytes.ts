import { CompressionError } from '@tersor/tensor'

const noText = (path: string, what: string, remedy: string): CompressionError =>
  new CompressionError('BAD_DATA', `${path} ${what}.`, remedy, { path })

const PLAIN = 'Pass a file of plain text; lines <|endoftext|> separate documents.'
/** Characters that no text has, besides those that lay it out. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/

/** The text of a file's bytes; throws BAD_DATA where they are no UTF-8, or hold control characters as binary files do. */
export const decodeText = (path: string, bytes: Uint8Array): string => {
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

/** Throws BAD_DATA for JSON: what its braces would teach a model is how to write JSON. */
export const refuseJson = (path: string, text: string): void => {
  const lines = text.split('\n').filter(line => line.trim() !== '')
  if (lines.length > 1 && lines.slice(0, 16).every(isJson))
    throw noText(
      path,
      'holds an object of JSON a line, not text',
      'Call it NAME.jsonl for the command line, or write the texts of its fields into a file of plain text.',
    )
  if (/^\s*[{[]/.test(text) && isJson(text)) throw noText(path, 'holds JSON, not text', PLAIN)
}
