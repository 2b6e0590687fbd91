/** Claims about sessions of ONNX graphs. */
import type { CachePlan } from '@tersor/core'
import { snapKv } from '@tersor/kv-cache'
import { freshModel, openModel, openSession, type LanguageModel, type SessionOptions } from '@tersor/models'
import type { Generator, TextGraph } from '@tersor/models/generate'
import { onnxDecoderSink } from '@tersor/onnx/decoder'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Claim, Side } from '../training/claim.js'
import { bundledTexts } from './sessions.js'

const WINDOWS = 2
const PROMPT = 128

const graphs = new Map<string, Promise<TextGraph>>()
/** The bundled model as a graph, in a folder that the process leaves to its system. */
const graphOf = (attention: 'plain' | 'fused'): Promise<TextGraph> => {
  const made = graphs.get(attention) ?? write(attention)
  graphs.set(attention, made)
  return made
}
const write = async (attention: 'plain' | 'fused'): Promise<TextGraph> => asGraph((await bundledTexts()).model as LanguageModel, attention)

const asGraph = async (model: LanguageModel, attention: 'plain' | 'fused'): Promise<TextGraph> => {
  const path = join(await mkdtemp(join(tmpdir(), 'tersor-graph-')), 'web')
  const sink = onnxDecoderSink(path, model, { attention })
  for (const name of model.params.names()) await sink.write(name, await model.params.read(name))
  await (await sink.finish()).close?.()
  return (await openModel(path)) as TextGraph
}

const texts = async (): Promise<readonly (readonly number[])[]> => {
  const { model, validation } = await bundledTexts()
  return validation.filter(({ length }) => length === model.contextLength).slice(0, WINDOWS).map(ids => [...ids]) // prettier-ignore
}

/** The second half of each window, token by token behind the first: logits of each step. */
async function* steps(model: Generator, options: SessionOptions) {
  for (const ids of await texts()) {
    const session = await openSession(model, { form: 'dense', ...options })
    try {
      let logits = await session.append(ids.slice(0, PROMPT))
      for (const next of ids.slice(PROMPT)) {
        yield { logits, next }
        logits = await session.append([next])
      }
    } finally {
      session.dispose()
    }
  }
}

const lossOf = ({ logits, next }: { readonly logits: Float32Array; readonly next: number }): number => {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  return most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0)) - logits[next]
}

const perplexityOf = async (model: Generator, options: SessionOptions = {}) => {
  let [sum, count] = [0, 0]
  for await (const step of steps(model, options)) {
    sum += lossOf(step)
    count++
  }
  return { perplexity: Math.exp(sum / count) }
}

/** The largest difference of any logit, over the largest there is. */
const apart = async (first: readonly [Generator, SessionOptions], second: readonly [Generator, SessionOptions]) => {
  const other = steps(...second)
  let [most, largest] = [0, 0]
  for await (const { logits } of steps(...first)) {
    const { value } = await other.next()
    logits.forEach((logit, i) => {
      most = Math.max(most, Math.abs(logit - value!.logits[i]))
      largest = Math.max(largest, Math.abs(logit))
    })
  }
  return { apart: most / largest }
}

const side = (name: string, measure: Side['measure']): Side => ({ name, fixed: true, measure })
const AMPLE: CachePlan = [snapKv({ keep: 256, recent: 16 })]
const SMALL: CachePlan = [snapKv({ keep: 48, recent: 16 })]
const FORMS = ['plain', 'fused'] as const

const exact: Claim = {
  name: 'graphs/evicted',
  says: `the bundled model as an ONNX graph, ${WINDOWS} windows of 128 + 128 tokens: the same bits where a plan lets nothing go, and the network's logits where snap-kv keeps 48 of 128`,
  figures: { apart: { better: 'lower', digits: 8, tie: 0 } },
  sides: async () => {
    const { model } = await bundledTexts()
    return FORMS.flatMap(form => [
      side(`${form}, nothing let go`, async () => apart([await graphOf(form), { cache: AMPLE }], [await graphOf(form), {}])),
      side(`${form}, 48 of 128`, async () => apart([await graphOf(form), { cache: SMALL }], [model as LanguageModel, { cache: SMALL }])),
    ])
  },
  orders: FORMS.flatMap(form => [
    { figure: 'apart', first: `${form}, nothing let go`, than: 0 },
    { figure: 'apart', first: `${form}, 48 of 128`, than: 1e-5 },
  ]),
}

const codes: Claim = {
  name: 'graphs/bits',
  says: 'the same with fused attention and the cache in few bits: perplexity of the second halves, 8 bits within 0.2 % and 4 bits within 3 % of float',
  figures: { perplexity: { better: 'lower', digits: 3, tie: 0 }, above: { better: 'lower', digits: 5, tie: 0 } },
  sides: () => {
    const float = graphOf('fused').then(graph => perplexityOf(graph))
    const coded = async (bits: 8 | 4) => {
      const { perplexity } = await perplexityOf(await graphOf('fused'), { cacheBits: bits })
      return { perplexity, above: perplexity / (await float).perplexity - 1 }
    }
    return [side('float', () => float), side('8 bits', () => coded(8)), side('4 bits', () => coded(4))]
  },
  orders: [
    { figure: 'above', first: '8 bits', than: 0.002 },
    { figure: 'above', first: '4 bits', than: 0.03 },
  ],
}

const WIDE = {
  ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_size: 512, intermediate_size: 1024, num_hidden_layers: 4 },
  ...{ num_attention_heads: 8, num_key_value_heads: 8, vocab_size: 4096, max_position_embeddings: 8192 },
}
const STEPS = 24
const LENGTHS = [1024, 4096]
const figure = (length: number): string => `ms at ${length}`

/** The median of some steps behind a text of so many tokens, in milliseconds. */
const stepAfter = async (graph: TextGraph, tokens: number, options: SessionOptions): Promise<number> => {
  const session = await openSession(graph, options)
  await session.append(Array.from({ length: tokens }, (_, i) => (7 * i) % WIDE.vocab_size))
  const times: number[] = []
  for (let i = 0; i < STEPS; i++) {
    const from = performance.now()
    await session.append([i])
    times.push(performance.now() - from)
  }
  session.dispose()
  return times.slice(STEPS / 4).sort((a, b) => a - b)[Math.floor((STEPS * 3) / 8)]
}

const stepTimes: Claim = {
  name: 'step-time',
  says: 'a step of a graph of 4 layers of 8 heads of 64 with fused attention behind 1,024 and 4,096 entries: a cache of 8 and of 4 bits below floats',
  alone: true,
  figures: Object.fromEntries(LENGTHS.map(length => [figure(length), { better: 'lower', digits: 2, tie: 0 } as const])),
  sides: () => {
    const graph = bundledTexts().then(({ model: { files = {} } }) =>
      asGraph({ ...(freshModel(WIDE, { seed: 1 }) as LanguageModel), files }, 'fused'),
    )
    const timed = async (options: SessionOptions) => {
      const found: Record<string, number> = {}
      for (const length of LENGTHS) found[figure(length)] = await stepAfter(await graph, length, options)
      return found
    }
    return [side('float', () => timed({})), side('8 bits', () => timed({ cacheBits: 8 })), side('4 bits', () => timed({ cacheBits: 4 }))]
  },
  orders: LENGTHS.flatMap(length => ['8 bits', '4 bits'].map(first => ({ figure: figure(length), first, than: 'float' }))),
}

export const GRAPHS: readonly Claim[] = [exact, codes, stepTimes]
