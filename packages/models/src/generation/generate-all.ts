import { createRng, isCompact } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { readBatch } from './batch-steps.js'
import { detokenizer } from './detokenize.js'
import { checkLogit, endsOf, promptIds, type Generated, type GenerateOptions } from './generate.js'
import { isTextGraph, type Generator } from './generator.js'
import { checkTemperature, greedy, sample } from './sampling.js'

export interface GenerateAllOptions extends Omit<GenerateOptions, 'prompt' | 'session' | 'rng' | 'cacheBits'> {
  /** Texts or ids to continue, of any lengths. */
  readonly prompts: readonly (string | readonly number[])[]
}

/** A token of one of the texts. */
export interface GeneratedOf extends Generated {
  /** Which, among the prompts. */
  readonly prompt: number
}

/** A text that is not done. */
interface Going {
  readonly prompt: number
  readonly complete: (id: number) => string
  readonly draw: (logits: Float32Array) => number
  left: number
  pending: number
}

const noPrompts = (): CompressionError => new CompressionError('BAD_DATA', 'There are no prompts.', 'Pass one at least.')

/**
 * Continues several prompts of any lengths at once: each is read by itself, and then all take a step together, on caches whose rows hold
 * different numbers of entries; a text that ends leaves, and its entries are freed. Each text is the one that `generate` gives for its
 * prompt; with a temperature, prompt i draws by seed, fork i. Tokens come in the order of steps, and of prompts within one.
 * A decoder's graph, learned positions, rotations that follow the length of the text and encodings of the cache take their steps in turn.
 * Throws as `generate`, and UNSUPPORTED for a graph that remembers nothing.
 */
export async function* generateAll(model: Generator, options: GenerateAllOptions): AsyncGenerator<GeneratedOf, void, undefined> {
  const text = isTextGraph(model) ? model.text : model
  const { temperature = 0, seed = 0, signal, tokens = text.contextLength, cache = [] } = options
  if (options.prompts.length === 0) throw noPrompts()
  checkTemperature(temperature)
  const prompts = options.prompts.map(prompt => promptIds(prompt, text, { tokens, plan: cache }))
  const ends = endsOf(text)
  const { steps, logits } = await readBatch(model, prompts, options)
  try {
    const going = prompts.map((prompt, i): Going => {
      const rng = createRng(seed).fork(String(i))
      return {
        ...{ prompt: i, pending: -1, left: isCompact(cache) ? tokens : Math.min(tokens, text.contextLength - prompt.length) },
        complete: text.tokenizer ? detokenizer(text.tokenizer, prompt) : () => '',
        draw: each => (temperature === 0 ? greedy(each) : sample(each, temperature, rng)),
      }
    })
    for (;;) {
      for (let row = 0; row < going.length;) {
        const each = going[row]
        const id = each.left === 0 ? undefined : each.draw(logits[row])
        if (id !== undefined) checkLogit(logits[row][id])
        if (id !== undefined && !ends.has(id)) {
          yield { prompt: each.prompt, id, text: each.complete(id) }
          each.pending = id
          each.left--
        }
        if (id !== undefined && !ends.has(id) && each.left > 0) row++
        else {
          steps.leave(row)
          going.splice(row, 1)
          logits.splice(row, 1)
        }
      }
      if (going.length === 0) return
      signal?.throwIfAborted()
      logits.splice(0, logits.length, ...(await steps.next(going.map(({ pending }) => pending))))
    }
  } finally {
    steps.dispose()
  }
}
