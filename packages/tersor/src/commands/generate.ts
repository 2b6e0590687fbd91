import { createRng } from '@tersor/core'
import { generate as stream, type Generator } from '@tersor/models/generate'
import type { OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import { makePlan } from '../methods.js'
import { writeResult, type Terminal } from '../output.js'
import { withModel } from '../with-model.js'

export interface GenerateFlags {
  readonly prompt: string
  readonly tokens: number
  readonly temperature: number
  readonly seed: number
  /** What products with packed weights make of activations. */
  readonly activations: 'float32' | 'int8'
  /** Policies of the cache as calls, in order. */
  readonly cache: readonly string[]
}

/** What text is generated from; throws UNSUPPORTED for another model. */
const generatorOf = (model: OpenedModel, path: string): Generator => {
  if (model.family === 'language' && model.tokenizer) return model
  if (model.family === 'graph' && model.text) return { ...model, text: model.text }
  throw new CompressionError(
    'UNSUPPORTED',
    `${path} is no language model with a tokenizer.`,
    'Pass a language model whose folder has tokenizer.json.',
    { path },
  )
}

/** `tersor generate MODEL --prompt TEXT`: continues a text, token by token as they come. */
export const generate = (
  terminal: Terminal,
  path: string,
  { prompt, tokens, temperature, seed, activations, cache: calls }: GenerateFlags,
  signal: AbortSignal,
): Promise<void> =>
  withModel(terminal, path, async model => {
    const generator = generatorOf(model, path)
    let text = ''
    const started = Date.now()
    let count = 0
    const cache = await makePlan(calls, process.cwd())
    const rng = createRng(seed).fork('generate')
    const pieces = stream(generator, { prompt, tokens, temperature, rng, activations, cache, seed, signal })
    for await (const piece of pieces) {
      text += piece.text
      count++
      if (!terminal.json) terminal.out.write(piece.text)
    }
    const seconds = (Date.now() - started) / 1000
    if (terminal.json) writeResult(terminal, { prompt, text, tokens: count, tokensPerSecond: count / seconds }, '')
    else terminal.out.write('\n')
  })
