import { isRecord } from '@tersor/formats/internal/files/json-text'
import { CompressionError } from '@tersor/tensor'
import { basename } from 'node:path'
import { shuffled } from '../inputs/pick-samples.js'
import type { Message, RenderChat } from './chat-template.js'
import { kindOf } from '../kind-of.js'
import { expandPaths, filesIn } from './files.js'
import { shownText } from './shown-text.js'
import { FIELDS, readRows, TEXT_ENDS, type Row } from './rows.js'

/** A text to be encoded; what a chat template made has its special tokens already. */
export interface Text {
  readonly text: string
  readonly specials: boolean
}

/** Texts in the order in which they are used, and what they were read of. */
export interface Texts {
  readonly texts: readonly Text[]
  readonly files: readonly string[]
  /** What the texts are: "12 documents", "12 chats", "12 of 90 rows". */
  readonly counted: string
  /** The beginning of the first, quoted, on one line. */
  readonly first: string
}

export interface ReadTextsOptions {
  /** The files beside the model, the chat template among them. */
  readonly files?: Readonly<Record<string, Uint8Array>>
  /** Draws the order of the texts; that of the files where absent. */
  readonly shuffle?: boolean
  readonly seed?: number
}

const badRow = (where: string, what: string, remedy: string): CompressionError =>
  new CompressionError('BAD_DATA', `${where}, ${what}.`, remedy, { where })

const isMessages = (value: unknown): value is readonly Message[] =>
  Array.isArray(value) && value.length > 0 && value.every(each => isRecord(each) && typeof each.role === 'string')

/** What a row says: a text as it is, or a chat. Throws BAD_DATA. */
const saidIn = ({ value, where }: Row): string | readonly Message[] => {
  if (typeof value === 'string') return value
  if (!isRecord(value)) throw badRow(where, 'is neither a text nor an object with fields', 'Write {"text": "…"} a row.')
  const set = FIELDS.find(each => each.every(name => value[name] !== undefined && value[name] !== null))
  if (!set) {
    const names = Object.keys(value).map(name => `"${name}"`)
    const has = names.length === 0 ? 'has no field' : `has the fields ${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}`
    throw badRow(where, has, 'Rows have "text", or "messages" with "role" and "content", or "prompt" and "completion".')
  }
  const parts = set.map(name => value[name])
  if (parts.every(part => typeof part === 'string')) return parts.join('')
  if (parts.every(isMessages)) return parts.flat()
  throw badRow(where, `has ${set.map(name => `"${name}"`).join(' and ')} of another kind`, 'Give texts, or lists of {"role", "content"}.')
}

const noTemplate = (where: string): CompressionError =>
  new CompressionError(
    'BAD_DATA',
    `${where}, is a chat, and the model has no chat template.`,
    'Put chat_template.jinja into its folder, or pass rows with "text".',
    { where },
  )

/** Loads the template engine at the first chat. */
const renderer = (files: Readonly<Record<string, Uint8Array>>) => {
  let render: Promise<RenderChat | undefined> | undefined
  return async (messages: readonly Message[], where: string): Promise<string> => {
    render ??= import('./chat-template.js').then(({ chatTemplate }) => chatTemplate(files))
    const known = await render
    if (!known) throw noTemplate(where)
    return known(messages, where)
  }
}

const filesOf = async (given: readonly string[]): Promise<readonly string[]> => {
  const found = await Promise.all(
    (await expandPaths(given)).map(async path =>
      (await kindOf(path)) === 'folder' ? { path, inside: await filesIn(path, TEXT_ENDS) } : path,
    ),
  )
  const empty = found.find(each => typeof each === 'object' && each.inside.length === 0)
  if (typeof empty === 'object')
    throw new CompressionError('BAD_DATA', `${empty.path} holds no file of text.`, `Such files end in ${TEXT_ENDS.join(', ')}.`, {
      path: empty.path,
    })
  return found.flatMap(each => (typeof each === 'object' ? each.inside : [each]))
}

/** "3 documents", "1 chat". */
const countText = (count: number, of: number, word: string): string =>
  `${count < of ? `${count.toLocaleString('en')} of ` : ''}${of.toLocaleString('en')} ${word}${of === 1 ? '' : 's'}`

/**
 * Reads texts from files, folders and patterns: .txt and .md with documents between lines `<|endoftext|>`, .jsonl, .json with a list, and
 * .parquet, whose rows have `text`, `messages` (put into text by the model's own chat template) or `prompt` and `completion`; .gz around any
 * but the last. Throws NOT_FOUND, DISK, BAD_DATA and BAD_FILE.
 */
export const readTexts = async (given: readonly string[], { files = {}, shuffle = false, seed = 0 }: ReadTextsOptions): Promise<Texts> => {
  const paths = await filesOf(given)
  const read = await Promise.all(paths.map(readRows))
  const rows = read.flatMap(each => each.rows)
  const render = renderer(files)
  const texts: Text[] = []
  let chats = 0
  for (const row of rows) {
    const said = saidIn(row)
    if (typeof said !== 'string') chats++
    const text = typeof said === 'string' ? said : await render(said, row.where)
    if (text.trim() !== '') texts.push({ text, specials: typeof said === 'string' })
  }
  if (texts.length === 0)
    throw new CompressionError(
      'BAD_DATA',
      `${paths.map(path => basename(path)).join(', ')} holds no text.`,
      'Pass files with texts in them.',
    )
  const word = chats === texts.length ? 'chat' : rows.every(({ value }) => typeof value === 'string') ? 'document' : 'row'
  const of = read.reduce((sum, each) => sum + each.of, 0) - (rows.length - texts.length)
  const ordered = shuffle ? shuffled(texts, seed) : texts
  return { texts: ordered, files: paths, counted: countText(texts.length, of, word), first: `"${shownText(ordered[0].text)}"` }
}
