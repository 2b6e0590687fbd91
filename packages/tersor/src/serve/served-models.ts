import { loadPacked, type LoadedWeights } from '@tersor/core'
import type { Generator } from '@tersor/models/generate'
import { openModel, type OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import { basename } from 'node:path'
import { chatTemplate, type RenderChat } from '../texts/chat-template.js'
import { hasText, textModelOf, type TextModel } from '../texts/text-model.js'

/** A model that answers, by the name that clients ask for. */
export interface ServedModel {
  readonly id: string
  readonly model: Generator
  readonly text: TextModel & { readonly tokenizer: NonNullable<TextModel['tokenizer']> }
  /** Puts a chat into text, up to where the answer begins; undefined where the model has no template. */
  readonly render?: RenderChat
  /** Its weights, loaded when they are first asked for; graphs hold theirs themselves. */
  weights(): Promise<Partial<Pick<LoadedWeights, 'weights' | 'product'>>>
}

export interface ServedModels {
  readonly list: readonly ServedModel[]
  close(): Promise<void>
}

const asServed = (model: OpenedModel, path: string, id: string): ServedModel & { dispose(): Promise<void> } => {
  const text = textModelOf(model)
  const continues = hasText(model) && text?.tokenizer
  if (!continues)
    throw new CompressionError(
      'UNSUPPORTED',
      `${path} is no language model with a tokenizer.`,
      'Serve models that continue text, whose folder has tokenizer.json; others are opened in the page itself.',
      { path },
    )
  const render = chatTemplate(text.files ?? {}, { answers: true })
  let loaded: Promise<LoadedWeights> | undefined
  return {
    ...{ id, model: model as Generator, text: text as ServedModel['text'], ...(render ? { render } : {}) },
    weights: async () => {
      if (model.family !== 'language') return {}
      loaded ??= loadPacked(model)
      const { weights, product } = await loaded
      return { weights, ...(product ? { product } : {}) }
    },
    dispose: async () => {
      await loaded?.then(({ dispose }) => dispose()).catch(() => {})
      await model.close?.()
    },
  }
}

/** A name that none of the others has. */
const freeId = (path: string, taken: readonly string[]): string => {
  const name = basename(path.replace(/[/\\]+$/, '')) || path
  for (let i = 1; ; i++) {
    const id = i === 1 ? name : `${name}-${i}`
    if (!taken.includes(id)) return id
  }
}

/** Opens the models to be served; only headers are read. Throws what `openModel` throws, and UNSUPPORTED for what continues no text. */
export const openServed = async (paths: readonly string[]): Promise<ServedModels> => {
  const list: ReturnType<typeof asServed>[] = []
  const close = async (): Promise<void> => {
    for (const { dispose } of list) await dispose()
  }
  try {
    for (const path of paths) {
      const model = await openModel(path)
      try {
        list.push(asServed(model, path, freeId(path, list.map(({ id }) => id)))) // prettier-ignore
      } catch (error) {
        await model.close?.()
        throw error
      }
    }
  } catch (error) {
    await close()
    throw error
  }
  return { list, close }
}
