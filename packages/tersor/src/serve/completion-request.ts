import { isRecord, type Json } from '@tersor/formats/internal/files/json-text'
import type { Message } from '../texts/chat-template.js'

/** What a client asks for, of either kind. */
export interface CompletionRequest {
  readonly model: string
  readonly prompt: string | readonly Message[]
  readonly tokens?: number
  readonly temperature: number
  readonly seed: number
  readonly stop: readonly string[]
  readonly stream: boolean
  /** Whether the last event of a stream tells the tokens. */
  readonly usage: boolean
}

/** A request that cannot be answered, as the API says it. */
export class BadRequest extends Error {
  constructor(
    message: string,
    readonly param: string | null,
    readonly status: 400 | 404 = 400,
    readonly code: string | null = null,
  ) {
    super(message)
  }
}

/** Options of the API that are not built, and the only value that says nothing. */
const NEUTRAL: Readonly<Record<string, unknown>> = {
  ...{ n: 1, top_p: 1, presence_penalty: 0, frequency_penalty: 0, logprobs: false, best_of: 1, echo: false },
}
const ABSENT = ['tools', 'functions', 'response_format', 'logit_bias', 'suffix', 'audio'] as const
const MOST_STOPS = 4
/** OpenAI's own, for completions that say nothing. */
const USUAL_TOKENS = 16

type Check = (value: unknown) => boolean

const isWhole: Check = value => Number.isSafeInteger(value) && (value as number) >= 0
const isText: Check = value => typeof value === 'string'

/** A field where it is given and fits; throws BadRequest. */
const field = <T>(body: Json, name: string, fits: Check, wanted: string, otherwise: T): T => {
  const value = body[name]
  if (value === undefined || value === null) return otherwise
  if (fits(value)) return value as T
  throw new BadRequest(`${name} is ${JSON.stringify(value).slice(0, 80)}; it must be ${wanted}.`, name)
}

/** A text, or the texts of parts. */
const contentOf = (content: unknown): string | undefined => {
  if (typeof content === 'string') return content
  if (!Array.isArray(content) || !content.every(part => isRecord(part) && part.type === 'text' && isText(part.text))) return undefined
  return content.map(part => (part as { text: string }).text).join('')
}

const messagesIn = (body: Json): readonly Message[] => {
  const { messages } = body
  const wrong = (where: string): BadRequest => new BadRequest(`${where} must have a role and a content of text.`, 'messages')
  if (!Array.isArray(messages) || messages.length === 0)
    throw new BadRequest('messages must be a list of at least one message.', 'messages')
  return messages.map((message, i) => {
    const content = isRecord(message) ? contentOf(message.content) : undefined
    if (!isRecord(message) || typeof message.role !== 'string' || content === undefined) throw wrong(`messages[${i}]`)
    return { ...message, role: message.role, content }
  })
}

const promptIn = ({ prompt }: Json): string => {
  const text = Array.isArray(prompt) && prompt.length === 1 ? (prompt[0] as unknown) : (prompt ?? '')
  if (typeof text === 'string') return text
  throw new BadRequest('prompt must be a text.', 'prompt')
}

const refuseUnknown = (body: Json): void => {
  const given = (name: string): boolean => body[name] !== undefined && body[name] !== null
  const changed = Object.keys(NEUTRAL).find(name => given(name) && body[name] !== NEUTRAL[name])
  const unknown = changed ?? ABSENT.find(name => given(name) && !(Array.isArray(body[name]) && body[name].length === 0))
  if (unknown === 'response_format' && isRecord(body[unknown]) && body[unknown].type === 'text') return
  if (unknown !== undefined) throw new BadRequest(`${unknown} is not built here; leave it out.`, unknown)
}

/** Reads a body of the API; throws BadRequest, which says what is wrong with which field. */
export const readRequest = (body: unknown, kind: 'chat' | 'text'): CompletionRequest => {
  if (!isRecord(body)) throw new BadRequest('The body must be a JSON object.', null)
  refuseUnknown(body)
  const model = field(body, 'model', isText, 'the id of a model', '')
  const stops = body.stop
  const stop = typeof stops === 'string' ? [stops] : field<readonly string[]>(body, 'stop', isStops, `a text or up to ${MOST_STOPS}`, [])
  const tokens = field<number | undefined>(body, 'max_tokens', isWhole, 'a whole number', kind === 'text' ? USUAL_TOKENS : undefined)
  const most = field(body, 'max_completion_tokens', isWhole, 'a whole number', tokens)
  const options = field<Json>(body, 'stream_options', isRecord, 'an object', {})
  return {
    ...{ model, prompt: kind === 'chat' ? messagesIn(body) : promptIn(body), ...(most === undefined ? {} : { tokens: most }) },
    temperature: field(body, 'temperature', value => typeof value === 'number' && value >= 0 && value <= 2, 'a number from 0 to 2', 1),
    seed: field(body, 'seed', Number.isSafeInteger, 'a whole number', 0),
    stop: stop.filter(text => text !== ''),
    stream: field(body, 'stream', value => typeof value === 'boolean', 'true or false', false),
    usage: options.include_usage === true,
  }
}

const isStops: Check = value => Array.isArray(value) && value.length <= MOST_STOPS && value.every(isText)
