import { createRng } from '@tersor/core'
import { generate as stream } from '@tersor/models/generate'
import { CompressionError } from '@tersor/tensor'
import { writeResult, type Terminal } from '../output.js'
import { withModel } from '../session.js'

export interface GenerateFlags {
  readonly prompt: string
  readonly tokens: number
  readonly temperature: number
  readonly seed: number
  /** What products with packed weights make of activations. */
  readonly activations: 'float32' | 'int8'
}

const graphText = (path: string): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `${path} is an ONNX graph, which other runtimes generate text from.`,
    'Generate with transformers.js, or from the folder it was made of; tersor evaluate measures it on a text.',
    { path },
  )

/** `tersor generate MODEL --prompt TEXT`: continues a text, token by token as they come. */
export const generate = (
  terminal: Terminal,
  path: string,
  { prompt, tokens, temperature, seed, activations }: GenerateFlags,
  signal: AbortSignal,
): Promise<void> =>
  withModel(terminal, path, async model => {
    if (model.family === 'graph' && model.text) throw graphText(path)
    if (model.family !== 'language' || !model.tokenizer) {
      throw new CompressionError(
        'UNSUPPORTED',
        `${path} is no language model with a tokenizer.`,
        'Pass a language model whose folder has tokenizer.json.',
        { path },
      )
    }
    let text = ''
    const started = Date.now()
    let count = 0
    const pieces = stream(model, { prompt, tokens, temperature, rng: createRng(seed).fork('generate'), activations, signal })
    for await (const piece of pieces) {
      text += piece.text
      count++
      if (!terminal.json) terminal.out.write(piece.text)
    }
    const seconds = (Date.now() - started) / 1000
    if (terminal.json) writeResult(terminal, { prompt, text, tokens: count, tokensPerSecond: count / seconds }, '')
    else terminal.out.write('\n')
  })
