import { createRng } from '@tersor/core'
import { generate } from '@tersor/models/generate'
import type { OpenedModel } from '@tersor/models/open-model'
import type { Answer } from './messages.js'

/** Continues a text with both models, one after the other, piece by piece as they come. */
export const continueBoth = async (
  models: Readonly<Record<'before' | 'after', OpenedModel>>,
  { prompt, tokens, signal }: { readonly prompt: string; readonly tokens: number; readonly signal: AbortSignal },
  tell: (answer: Answer) => void,
): Promise<void> => {
  for (const side of ['before', 'after'] as const) {
    const model = models[side]
    if (model.family !== 'language') continue
    for await (const { text } of generate(model, { prompt, tokens, signal, rng: createRng(0) })) tell({ type: 'piece', side, text })
  }
}
