import { Environment, Interpreter, Template } from '@huggingface/jinja'
import { isRecord } from '@tersor/formats/internal/files/json-text'
import { CompressionError } from '@tersor/tensor'

/** One message of a chat; templates may read more of it, such as calls of tools. */
export interface Message {
  readonly role: string
  readonly content?: unknown
}

/** Puts a chat into text; throws BAD_DATA where the template refuses it. */
export type RenderChat = (messages: readonly Message[], where: string) => string

type Files = Readonly<Record<string, Uint8Array>>

const SPECIALS = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'] as const

const parsed = (files: Files, name: string): Readonly<Record<string, unknown>> => {
  const bytes = files[name]
  if (!bytes) return {}
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return isRecord(value) ? value : {}
  } catch (cause) {
    throw new CompressionError('BAD_FILE', `${name} of the model is no JSON.`, "Take the file of the model's own folder.", {}, cause)
  }
}

/** A text, or the default of several that have names. */
const templateIn = (given: unknown): string | undefined => {
  if (typeof given === 'string') return given
  if (!Array.isArray(given)) return undefined
  const entries = given.filter(isRecord)
  const { template } = entries.find(({ name }) => name === 'default') ?? entries[0] ?? {}
  return typeof template === 'string' ? template : undefined
}

/** Of chat_template.jinja, which transformers takes before the older places, or tokenizer_config.json or chat_template.json. */
const templateOf = (files: Files): string | undefined => {
  const own = files['chat_template.jinja']
  if (own) return new TextDecoder().decode(own)
  return templateIn(parsed(files, 'tokenizer_config.json').chat_template) ?? templateIn(parsed(files, 'chat_template.json').chat_template)
}

const textOf = (token: unknown): string | undefined => {
  const content = isRecord(token) ? token.content : token
  return typeof content === 'string' ? content : undefined
}

/** Special tokens by the names that templates know. */
const specialsOf = (files: Files): Readonly<Record<string, string>> => {
  const places = [parsed(files, 'tokenizer_config.json'), parsed(files, 'special_tokens_map.json')]
  return Object.fromEntries(
    SPECIALS.flatMap(name => {
      const text = places.map(place => textOf(place[name])).find(found => found !== undefined)
      return text === undefined ? [] : [[name, text] as const]
    }),
  )
}

/** The day that Llama's templates name where they are told none: the day of the run would make other tokens tomorrow. */
const DAY = { d: '26', b: 'Jul', B: 'July', m: '07', Y: '2024', y: '24', A: 'Friday', a: 'Fri', H: '00', M: '00', S: '00' }
const onThatDay = (format: string): string =>
  format.replace(/%([a-zA-Z])/g, (all, letter: string) => DAY[letter as keyof typeof DAY] ?? all)

const range = (start: number, stop?: number, step = 1): number[] => {
  const [from, to] = stop === undefined ? [0, start] : [start, stop]
  return Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, i) => from + i * step)
}

/** What a template calls to refuse a chat. */
const refuse = (reason: unknown): never => {
  throw new Error(String(reason))
}

/** What templates find besides what they are given: `Template.render` has these too, with the day of the run, and lets nobody change it. */
const GLOBALS = {
  ...{ true: true, false: false, none: null, True: true, False: false, None: null },
  ...{ range, raise_exception: refuse, strftime_now: onThatDay, tools: null, documents: null, add_generation_prompt: false },
}

const rendered = (template: Template, given: object): string => {
  const environment = new Environment()
  for (const [name, value] of Object.entries({ ...GLOBALS, ...given })) environment.set(name, value)
  return String(new Interpreter(environment).run(template.parsed).value)
}

const failed = (where: string, cause: unknown): CompressionError => {
  const reason = String((cause as Error)?.message ?? cause).split('\n')[0]
  const remedy = 'Change the messages to what the template takes, such as turns of user and assistant, or leave this row out.'
  return new CompressionError('BAD_DATA', `The model's chat template refuses ${where}: ${reason.replace(/\.$/, '')}.`, remedy, {}, cause)
}

const compile = (source: string): Template => {
  try {
    return new Template(source)
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0]
    throw new CompressionError(
      'BAD_FILE',
      `The model's chat template cannot be read: ${reason}.`,
      "Take that of the model's own folder.",
      {},
      cause,
    )
  }
}

/**
 * How the chats of a model become text, as `apply_chat_template` of transformers does it, with what begins an answer at the end where `answers`
 * is true; undefined where the model has no template. The day is always 26 July 2024. Throws BAD_FILE.
 */
export const chatTemplate = (files: Files, { answers = false } = {}): RenderChat | undefined => {
  const source = templateOf(files)
  if (source === undefined) return undefined
  const template = compile(source)
  const specials = specialsOf(files)
  return (messages, where) => {
    try {
      return rendered(template, { ...specials, messages, add_generation_prompt: answers })
    } catch (cause) {
      throw failed(where, cause)
    }
  }
}
