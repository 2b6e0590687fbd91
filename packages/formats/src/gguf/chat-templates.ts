import { badFile } from '../files/bad-file.js'
import { parseObject } from '../huggingface/open.js'
import type { Json } from '../files/json-text.js'
import { isRecord, parseText } from '../files/json-text.js'
import type { GgufValue, Metadata } from './header.js'
import { list, textOf } from './tokenizer-parts.js'

type Files = Readonly<Record<string, Uint8Array>>

/** A template, or several by name. */
type Templates = ReadonlyMap<string, string>

const DEFAULT = 'default'
const KEY = 'tokenizer.chat_template'
const NAMES_KEY = 'tokenizer.chat_templates'

/** Other characters become underscores, as llama.cpp's own converter has it. */
const keyOf = (name: string): string => name.replace(/[^\w-]/gu, '_')

/** A template as text, or a list of entries with name and template. Throws BAD_FILE. */
const templatesIn = (value: unknown, where: string): Templates => {
  if (typeof value === 'string') return new Map([[DEFAULT, value]])
  const entries = isRecord(value) ? Object.entries(value).map(([name, template]) => ({ name, template })) : value
  const isEntry = (entry: unknown): entry is { readonly name: string; readonly template: string } =>
    isRecord(entry) && typeof entry.name === 'string' && typeof entry.template === 'string'
  if (Array.isArray(entries) && entries.every(isEntry)) return new Map(entries.map(({ name, template }) => [name, template]))
  throw badFile(`The chat_template of ${where} is neither text nor a list of named texts.`, "Take the file of the model's own folder.")
}

/** The templates of a folder: those of tokenizer_config.json, else of chat_template.jinja, else of chat_template.json. */
const templatesOf = (files: Files, tokenizerConfig: Json): Templates => {
  const given = tokenizerConfig.chat_template
  if (given !== undefined && given !== null) return templatesIn(given, 'tokenizer_config.json')
  const plain = files['chat_template.jinja']
  if (plain) return new Map([[DEFAULT, parseText(plain, 'chat_template.jinja')]])
  const wrapped = files['chat_template.json']
  const inside = wrapped && parseObject(wrapped, 'chat_template.json').chat_template
  return inside === undefined ? new Map() : templatesIn(inside, 'chat_template.json')
}

/** How a chat is put into text, by name; the first key is the default's. Throws BAD_FILE. */
export const templatesToEntries = (files: Files, tokenizerConfig: Json): readonly (readonly [string, GgufValue])[] => {
  const named = [...templatesOf(files, tokenizerConfig)].map(([name, value]) => [name, { type: 'string', value } as GgufValue] as const)
  const others = named.filter(([name]) => name !== DEFAULT)
  return [
    ...(others.length > 0 ? [[NAMES_KEY, list('string', others.map(([name]) => keyOf(name)))] as const] : []), // prettier-ignore
    ...named.map(([name, value]) => [name === DEFAULT ? KEY : `${KEY}.${keyOf(name)}`, value] as const),
  ]
}

/** What tokenizer_config.json says of the templates of a file: text, or a list where there are several. */
export const entriesToTemplates = (metadata: Metadata): Json => {
  const chat = textOf(metadata, KEY)
  const others = [...metadata.keys()].filter(key => key.startsWith(`${KEY}.`))
  const named = others.map(key => ({ name: key.slice(KEY.length + 1), template: textOf(metadata, key) ?? '' }))
  if (named.length === 0) return chat === undefined ? {} : { chat_template: chat }
  return { chat_template: [...(chat === undefined ? [] : [{ name: DEFAULT, template: chat }]), ...named] }
}
