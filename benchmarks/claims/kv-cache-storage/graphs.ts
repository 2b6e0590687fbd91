/** Claims about sessions of ONNX graphs. */
import type { CachePlan } from '@tersor/core'
import { snapKv } from '@tersor/kv-cache'
import { freshModel, openModel, openSession, type LanguageModel, type SessionOptions } from '@tersor/models'
import type { Generator, TextGraph } from '@tersor/models/generate'
import { onnxDecoderSink } from '@tersor/onnx/decoder'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { below, FIGURES, timed, WIDE } from '../kv-cache/step-after.js'
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

const stepTimes: Claim = {
  name: 'step-time',
  says: 'a step of a graph of 4 layers of 8 heads of 64 with fused attention behind 1,024 and 4,096 entries: a cache of 8 and of 4 bits below floats',
  alone: true,
  figures: FIGURES,
  sides: () => {
    const graph = bundledTexts().then(({ model: { files = {} } }) =>
      asGraph({ ...(freshModel({ ...WIDE, vocab_size: 4096 }, { seed: 1 }) as LanguageModel), files }, 'fused'),
    )
    const stepsWith = (options: SessionOptions) => timed(async () => openSession(await graph, options))
    return [
      side('float', () => stepsWith({})),
      side('8 bits', () => stepsWith({ cacheBits: 8 })),
      side('4 bits', () => stepsWith({ cacheBits: 4 })),
    ]
  },
  orders: below(['8 bits', '4 bits'], 'float'),
}

export const GRAPHS: readonly Claim[] = [exact, codes, stepTimes]
