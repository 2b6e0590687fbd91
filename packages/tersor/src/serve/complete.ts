import { createRng } from '@tersor/core'
import { generate } from '@tersor/models/generate'
import { setImmediate as immediate } from 'node:timers/promises'
import type { CompletionRequest } from './completion-request.js'
import type { ServedModel } from './served-models.js'
import { untilStop } from './until-stop.js'

/** How an answer ended, and what it took. */
export interface Ended {
  readonly reason: 'stop' | 'length'
  readonly promptTokens: number
  readonly tokens: number
}

/** The ids of a prompt: a chat through the model's own template, which has its special tokens; without one, what was said, line by line. */
const idsOf = ({ text, render }: ServedModel, prompt: CompletionRequest['prompt']): readonly number[] => {
  if (typeof prompt === 'string') return text.tokenizer.encode(prompt)
  if (render) return text.tokenizer.encode(render(prompt, 'this chat'), { specials: false })
  return text.tokenizer.encode(prompt.map(({ content }) => `${String(content)}\n`).join(''))
}

/** Answers a request piece by piece; throws what generating throws, and the signal's reason. */
export async function* complete(
  served: ServedModel,
  { prompt, tokens, temperature, seed, stop }: CompletionRequest,
  signal: AbortSignal,
): AsyncGenerator<string, Ended> {
  const ids = idsOf(served, prompt)
  const begin = ids.length === 0 && served.text.tokenizer.bos !== undefined ? [served.text.tokenizer.bos] : ids
  const room = Math.max(0, served.text.contextLength - begin.length)
  let made = 0
  const loaded = await served.weights()
  const most = Math.min(tokens ?? room, room)
  const pieces = async function* (): AsyncGenerator<string> {
    const how = { prompt: begin, tokens: most, temperature, rng: createRng(seed).fork('generate'), signal, ...loaded }
    for await (const { text } of generate(served.model, how)) {
      made++
      yield text
      await immediate() // engines that compute at once never let go: clients that leave and Ctrl-C would not be heard
    }
  }
  const isStopped = yield* untilStop(pieces(), stop)
  return { reason: !isStopped && made >= most ? 'length' : 'stop', promptTokens: begin.length, tokens: made }
}
