import type { Ended } from './complete.js'

/** The two kinds of answers of the API. */
export type Kind = 'chat' | 'text'

/** What every answer to a request begins with. */
export interface Head {
  readonly id: string
  readonly created: number
  readonly model: string
}

const OBJECTS: Readonly<Record<Kind, { readonly whole: string; readonly piece: string }>> = {
  chat: { whole: 'chat.completion', piece: 'chat.completion.chunk' },
  text: { whole: 'text_completion', piece: 'text_completion' },
}

const choice = (fields: object, reason: string | null): object => ({ index: 0, ...fields, logprobs: null, finish_reason: reason })

const usageOf = ({ promptTokens, tokens }: Ended): object => ({
  ...{ prompt_tokens: promptTokens, completion_tokens: tokens, total_tokens: promptTokens + tokens },
})

/** A whole answer. */
export const wholeAnswer = (kind: Kind, head: Head, text: string, ended: Ended): object => ({
  ...{ ...head, object: OBJECTS[kind].whole },
  choices: [choice(kind === 'chat' ? { message: { role: 'assistant', content: text, refusal: null } } : { text }, ended.reason)],
  usage: usageOf(ended),
})

/** The events of a stream in order: who speaks, each piece, why it ended, and the tokens where they are asked for. */
export const streamed = (kind: Kind, head: Head) => {
  const event = (fields: object, reason: string | null = null): object => ({
    ...{ ...head, object: OBJECTS[kind].piece },
    choices: [choice(kind === 'chat' ? { delta: fields } : { text: '', ...fields }, reason)],
  })
  return {
    first: kind === 'chat' ? [event({ role: 'assistant', content: '' })] : [],
    piece: (text: string) => event(kind === 'chat' ? { content: text } : { text }),
    last: (ended: Ended, usage: boolean): readonly object[] => [
      event({}, ended.reason),
      ...(usage ? [{ ...head, object: OBJECTS[kind].piece, choices: [], usage: usageOf(ended) }] : []),
    ],
  }
}
