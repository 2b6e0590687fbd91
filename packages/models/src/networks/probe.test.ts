import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { forward, loadModel, type Env, type LayerCache } from '@tersor/core'
import { registerGradients } from '@tersor/kernels'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'
import type { RawConfig } from './raw-config.js'
import { pixels } from './tiny-resnet.fixture.js'

beforeAll(() => tf.setBackend('cpu'))

type Rows = number[][]
type Heads = number[][][][] // (batch, heads, tokens, size)

const product = (x: Rows, weight: Rows): Rows => x.map(row => weight.map(of => of.reduce((sum, value, i) => sum + value * row[i], 0)))

/** (batch · tokens, heads · size) → (batch, heads, tokens, size). */
const split = (rows: Rows, batch: number, heads: number): Heads => {
  const [tokens, size] = [rows.length / batch, rows[0].length / heads]
  return Array.from({ length: batch }, (_, b) =>
    Array.from({ length: heads }, (_, h) => rows.slice(b * tokens, (b + 1) * tokens).map(row => row.slice(h * size, (h + 1) * size))),
  )
}

const turned = (row: readonly number[], position: number): number[] => {
  const half = row.length / 2
  return row.map((value, i) => {
    const angle = position * 10000 ** (-(i % half) / half)
    return value * Math.cos(angle) + (i < half ? -row[i + half] : row[i - half]) * Math.sin(angle)
  })
}

const softmax = (row: readonly number[]): number[] => {
  const powers = row.map(value => Math.exp(value - Math.max(...row)))
  const total = powers.reduce((a, b) => a + b)
  return powers.map(value => value / total)
}

interface Expectation {
  readonly module: string
  readonly heads: number
  readonly keyHeads?: number
  readonly rotated?: boolean
  /** Whether a query sees a key. */
  readonly sees: (query: number, key: number, batch: number) => boolean
  readonly cap?: number
}

interface Run {
  readonly places: Map<string, tf.Tensor>
  readonly taps: Map<string, Rows>
  readonly weights: (name: string) => Rows
  readonly dispose: () => void
}

/** Everything that a forward pass shows. */
const watch = async (config: RawConfig, input: tf.Tensor, attended?: tf.Tensor): Promise<Run> => {
  const loaded = await loadModel(freshModel(config, { seed: 8, deviation: 0.3 }))
  const places = new Map<string, tf.Tensor>()
  const taps = new Map<string, Rows>()
  const model = freshModel(config, { seed: 8, deviation: 0.3 })
  const output = forward(model, input, {
    ...loaded,
    ...(attended ? { attended } : {}),
    tap: (site, x) => x.rank === 2 && taps.set(site.name, x.arraySync() as Rows),
    probe: (place, value) => places.set(place, tf.keep(value())),
  })
  const last = model.stages.at(-1)!.name
  expect([...(await places.get(last)!.data())]).toEqual([...(await output.data())])
  output.dispose()
  const weights = (name: string): Rows => loaded.weights(name).arraySync() as Rows
  return { places, taps, weights, dispose: () => (loaded.dispose(), places.forEach(tensor => tensor.dispose())) }
}

/** Queries, keys and values from what the tap saw, one number at a time, in the order of the sites. */
const projections = ({ taps, weights }: Run, { module, heads, keyHeads = heads, rotated = false }: Expectation, batch: number) => {
  const names = [...taps.keys()].filter(name => name.startsWith(`${module}.`)).slice(0, 3)
  const fused = names[0].endsWith('c_attn')
  const whole = fused ? product(taps.get(names[0])!, transposed(weights(`${names[0]}.weight`))) : undefined
  return [heads, keyHeads, keyHeads].map((count, i) => {
    const rows = whole?.map(row => row.slice((i * row.length) / 3, ((i + 1) * row.length) / 3)) ?? product(taps.get(names[i])!, weights(`${names[i]}.weight`)) // prettier-ignore
    const each = split(rows, batch, count)
    return rotated && i < 2 ? each.map(b => b.map(head => head.map(turned))) : each
  })
}

const transposed = (rows: Rows): Rows => rows[0].map((_, i) => rows.map(row => row[i]))

const close = (actual: tf.Tensor, expected: unknown): void => {
  const flat = (expected as number[]).flat(3) as number[]
  const values = actual.dataSync()
  expect(values).toHaveLength(flat.length)
  expect(Math.max(...flat.map((value, i) => Math.abs(value - values[i]) / Math.max(1, Math.abs(value))))).toBeLessThan(2e-5)
}

const expectAttention = (run: Run, batch: number, expectation: Expectation): void => {
  const { module, sees, cap } = expectation
  const [q, k, v] = projections(run, expectation, batch)
  const at = (what: string) => run.places.get(`${module}.${what}`)!
  close(at('queries'), q)
  close(at('keys'), k)
  close(at('values'), v)
  const groups = q[0].length / k[0].length
  const score = (query: number[], key: number[]): number => query.reduce((sum, value, i) => sum + value * key[i], 0) / Math.sqrt(key.length)
  const capped = (value: number): number => (cap ? cap * Math.tanh(value / cap) : value)
  const logits = q.map((heads, b) =>
    heads.map((rows, h) =>
      rows.map((query, i) => k[b][Math.floor(h / groups)].map((key, j) => (sees(i, j, b) ? capped(score(query, key)) : -1e30))),
    ),
  )
  close(at('logits'), logits)
  close(
    at('shares'),
    logits.map(b => b.map(h => h.map(softmax))),
  )
}

/** What is shown but for what sites multiply. */
const placesBut = (places: Map<string, tf.Tensor>): string[] => [...places.keys()].filter(place => !place.endsWith('.inputs'))

const attentionPlaces = (module: string): string[] => ['queries', 'keys', 'values', 'logits', 'shares'].map(what => `${module}.${what}`)
const ids = (tokens: number): tf.Tensor2D => tf.tensor2d(Int32Array.from({ length: 2 * tokens }, (_, i) => (i * 7 + 3) % 60), [2, tokens], 'int32') // prettier-ignore
const causal = (query: number, key: number): boolean => key <= query
const inWindow = (query: number, key: number): boolean => key <= query && key > query - 5

/** Whole texts of more than one band, too. */
const DECODERS: Readonly<Record<string, { tokens: number; prefix: string; of: Omit<Expectation, 'module'> }>> = {
  llama: { tokens: 6, prefix: 'model.layers.', of: { heads: 4, keyHeads: 2, rotated: true, sees: causal } },
  mistral: { tokens: 70, prefix: 'model.layers.', of: { heads: 4, keyHeads: 2, rotated: true, sees: inWindow } },
  gemma2: { tokens: 5, prefix: 'model.layers.', of: { heads: 4, keyHeads: 2, rotated: true, sees: causal, cap: 4 } },
  mixtral: { tokens: 6, prefix: 'model.layers.', of: { heads: 4, keyHeads: 2, rotated: true, sees: causal } },
  gpt2: { tokens: 6, prefix: 'transformer.h.', of: { heads: 4, sees: causal } },
}

describe('the places of', () => {
  it.each(Object.keys(DECODERS))('%s hold what plain loops give', async name => {
    const { tokens, prefix, of } = DECODERS[name]
    const attention = name === 'gpt2' ? 'attn' : 'self_attn'
    const config = name === 'gemma2' ? { ...FRESH_CONFIGS[name], query_pre_attn_scalar: 6 } : FRESH_CONFIGS[name]
    const x = ids(tokens)
    const run = await watch(config, x)
    for (const layer of [0, 1]) expectAttention(run, 2, { ...of, module: `${prefix}${layer}.${attention}` })
    const router = (layer: number) => (name === 'mixtral' ? [...['logits', 'shares'].map(what => `gate.${what}`), ...[0, 1, 2].map(expert => `experts.${expert}.outputs`)].map(what => `${prefix}${layer}.block_sparse_moe.${what}`) : []) // prettier-ignore
    const block = (layer: number) => [...attentionPlaces(`${prefix}${layer}.${attention}`), ...router(layer), `${prefix}${layer}`]
    const [first, last] = name === 'gpt2' ? ['transformer.wte', 'lm_head'] : ['model.embed_tokens', 'lm_head']
    expect(placesBut(run.places).sort()).toEqual([first, ...block(0), ...block(1), last].sort())
    run.dispose()
    x.dispose()
  })

  it('a router hold its logits, the shares of the experts it chooses, and what each of these adds', async () => {
    const x = ids(6)
    const run = await watch(FRESH_CONFIGS.mixtral, x)
    const place = 'model.layers.1.block_sparse_moe'
    const seen = [0, 1, 2].map(expert => run.taps.get(`${place}.experts.${expert}.w1`)!)
    const inputs = seen[0].map((_, row) => seen.map(rows => rows[row]).find(each => each.some(value => value !== 0))!)
    const logits = product(inputs, run.weights(`${place}.gate.weight`)) // (rows, 3)
    close(run.places.get(`${place}.gate.logits`)!, logits)
    const shares = logits.map(row => {
      const all = softmax(row)
      const kept = all.map(value => (value === Math.min(...all) ? 0 : value)) // two of three
      return kept.map(value => value / kept.reduce((a, b) => a + b))
    })
    close(run.places.get(`${place}.gate.shares`)!, shares)
    for (const expert of [0, 1, 2]) {
      const [gate, up, down] = ['w1', 'w3', 'w2'].map(name => run.weights(`${place}.experts.${expert}.${name}.weight`))
      const [gates, ups] = [product(inputs, gate), product(inputs, up)]
      const hidden = gates.map((row, i) => row.map((value, j) => (value / (1 + Math.exp(-value))) * ups[i][j]))
      const added = product(hidden, down).map((row, i) => row.map(value => value * shares[i][expert]))
      close(run.places.get(`${place}.experts.${expert}.outputs`)!, added)
    }
    run.dispose()
    x.dispose()
  })

  it('a BERT hide padding', async () => {
    const x = ids(5)
    const attended = tf.tensor2d([1, 1, 1, 1, 1, 1, 1, 1, 0, 0], [2, 5])
    const run = await watch(FRESH_CONFIGS.bert, x, attended)
    for (const layer of [0, 1])
      expectAttention(run, 2, { module: `bert.encoder.layer.${layer}.attention.self`, heads: 4, sees: (_, key, b) => b === 0 || key < 3 })
    const block = (layer: number) => [...attentionPlaces(`bert.encoder.layer.${layer}.attention.self`), `bert.encoder.layer.${layer}`]
    expect(placesBut(run.places).sort()).toEqual(['bert.embeddings', ...block(0), ...block(1)].sort())
    run.dispose()
    tf.dispose([x, attended])
  })

  it('a ViT and a ResNet are those of images', async () => {
    const x = pixels(2)
    const vit = await watch(FRESH_CONFIGS.vit, x)
    for (const layer of [0, 1]) expectAttention(vit, 2, { module: `vit.encoder.layer.${layer}.attention.attention`, heads: 4, sees: () => true }) // prettier-ignore
    vit.dispose()
    const resnet = await watch(FRESH_CONFIGS.resnet8, x)
    expect(placesBut(resnet.places)).toEqual(['stem', 'layer1.0', 'layer2.0', 'layer2.1', 'linear'])
    expect(resnet.places.get('layer2.1')!.shape).toEqual([2, 4, 4, 8])
    resnet.dispose()
    x.dispose()
  })
})

it.each(['llama', 'mixtral', 'gpt2', 'vit', 'resnet8'])('shows what every site of %s multiplies, as taps see it', async name => {
  const model = freshModel(FRESH_CONFIGS[name], { seed: 8, deviation: 0.3 })
  const { weights, dispose } = await loadModel(model)
  const x = model.family === 'image' ? pixels(2) : ids(3)
  const [shown, tapped] = [new Map<string, tf.Tensor>(), new Map<string, tf.Tensor>()]
  const output = forward(model, x, {
    weights,
    tap: (site, input) => tapped.set(`${site.name}.inputs`, input),
    probe: (place, value) => place.endsWith('.inputs') && shown.set(place, value()),
  })
  expect([...shown.keys()]).toEqual([...tapped.keys()])
  expect([...shown].every(([place, value]) => value === tapped.get(place))).toBe(true)
  const sites = model.stages.flatMap(stage => stage.sites).filter(({ kind }) => kind !== 'embedding')
  expect(sites.map(site => `${site.name}.inputs`).filter(place => !shown.has(place))).toEqual([])
  tf.dispose([x, output])
  dispose()
})

it('passes gradients through what it shows, once that is kept', async () => {
  registerGradients()
  const model = freshModel(FRESH_CONFIGS.llama, { deviation: 0.3 })
  const { weights, dispose } = await loadModel(model)
  const name = 'model.layers.0.self_attn.q_proj.weight'
  const x = ids(6)
  /** Σ shares² of the first block. */
  const sharpness = (weight: tf.Tensor): tf.Scalar => {
    let shares: tf.Tensor | undefined
    const env: Env = {
      weights: each => (each === name ? weight : weights(each)),
      probe: (place, value) => place === 'model.layers.0.self_attn.shares' && (shares = tf.keep(value())),
    }
    forward(model, x, env)
    return tf.sum(tf.square(shares!)) as tf.Scalar
  }
  const weight = weights(name)
  const gradient = tf.tidy(() => tf.grad(sharpness)(weight))
  const along = tf.tidy(() => tf.mul(gradient, 0.002))
  const [up, down] = tf.tidy(() => [sharpness(tf.add(weight, along)), sharpness(tf.sub(weight, along))].map(each => each.dataSync()[0]))
  const slope = tf.tidy(() => tf.sum(tf.square(gradient)).dataSync()[0])
  expect((up - down) / 0.004 / slope).toBeCloseTo(1, 2)
  dispose()
})

it('shows keys and values, but no logits, where a cache attends itself', async () => {
  const model = freshModel(FRESH_CONFIGS.llama)
  const { weights, dispose } = await loadModel(model)
  const cache = { next: 0, append: () => fail(), attend: (q: tf.Tensor) => tf.zerosLike(q) } as unknown as LayerCache
  const seen: string[] = []
  tf.tidy(() => forward(model, ids(3), { weights, cache, probe: place => seen.push(place) }))
  expect(seen.filter(place => place.includes('layers.0.') && !place.endsWith('.inputs'))).toEqual(['queries', 'keys', 'values'].map(what => `model.layers.0.self_attn.${what}`)) // prettier-ignore
  dispose()
})
