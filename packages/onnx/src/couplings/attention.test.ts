import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { describeCouplings } from '@tersor/testing'
import { MICROSOFT } from '../file/build.js'
import { openOnnxModel, type OnnxModel } from '../model.js'
import { smallGraph, type Nodes, type SmallGraph } from './coupled-graphs.fixture.js'

beforeAll(() => tf.setBackend('ort'))

/** Three heads of four channels over x (batch, tokens, 12). */
const [HEADS, SIZE, WIDTH] = [3, 4, 12]
const inputs = { x: ['batch', 'tokens', WIDTH] } as const
const SQUARE = { q: [WIDTH, WIDTH], k: [WIDTH, WIDTH], v: [WIDTH, WIDTH], o: [WIDTH, 5] } as const

const projected = (g: Nodes): readonly string[] => ['q', 'k', 'v'].map(weight => g.node('MatMul', ['x', weight]))

/** softmax(q · kᵀ) · v over (batch, heads, tokens, size), back as (batch, tokens, heads · size). */
const mixed = (g: Nodes, q: string, k: string, v: string): string => {
  const shares = g.node('Softmax', [g.node('MatMul', [q, g.node('Transpose', [k], { perm: [0, 1, 3, 2] })])], { axis: -1 })
  const byToken = g.node('Transpose', [g.node('MatMul', [shares, v])], { perm: [0, 2, 1, 3] })
  return g.node('Reshape', [byToken, g.int64([0, 0, -1])])
}

const split = (g: Nodes, rows: string, heads: number): string =>
  g.node('Transpose', [g.node('Reshape', [rows, g.int64([0, 0, heads, SIZE])])], { perm: [0, 2, 1, 3] })

const fused = (g: Nodes, inputs: readonly string[]): string => g.op('MultiHeadAttention', inputs, { domain: MICROSOFT, attributes: { num_heads: HEADS } }) // prettier-ignore

const table = (g: Nodes, of: (angle: number) => number): string => g.constant('f32', [16, SIZE / 2], Array.from({ length: (16 * SIZE) / 2 }, (_, i) => of(Math.floor(i / 2) / (1 + (i % 2))))) // prettier-ignore

const GRAPHS: Readonly<Record<string, SmallGraph>> = {
  'attention in one node, with biases': {
    ...{ inputs, weights: { ...SQUARE, bias: [3 * WIDTH] } },
    build: g => g.node('MatMul', [fused(g, [...projected(g), 'bias']), 'o']),
  },
  'queries and keys that are turned in nodes of their own': {
    ...{ inputs, weights: SQUARE },
    build: g => {
      const [q, k, v] = projected(g)
      const places = g.int64([0])
      const turned = (x: string): string => g.op('RotaryEmbedding', [x, places, table(g, Math.cos), table(g, Math.sin)], { domain: MICROSOFT, attributes: { num_heads: HEADS } }) // prettier-ignore
      return g.node('MatMul', [fused(g, [turned(q), turned(k), v]), 'o'])
    },
  },
  'attention of GPT-2: one weight for queries, keys and values, layer norms over the stream': {
    inputs,
    weights: { scale: [WIDTH], shift: [WIDTH], c_attn: [WIDTH, 3 * WIDTH], bias: [3 * WIDTH], o: [WIDTH, WIDTH], head: [WIDTH, 3] },
    build: g => {
      const normal = g.node('LayerNormalization', ['x', 'scale', 'shift'])
      const all = g.node('Add', [g.node('MatMul', [normal, 'c_attn']), 'bias'])
      const rows = g.ops('Split', [all, g.int64([WIDTH, WIDTH, WIDTH])], { attributes: { axis: 2 }, outputs: 3 })
      const [q, k, v] = rows.map(each => split(g, each, HEADS))
      return g.node('MatMul', [g.node('Add', ['x', g.node('MatMul', [mixed(g, q, k, v), 'o'])]), 'head'])
    },
  },
  'keys that are repeated for the query heads of their group, as PyTorch exports them': {
    inputs,
    weights: { q: [WIDTH, 24], k: [WIDTH, 8], v: [WIDTH, 8], o: [24, 5] },
    build: g => {
      const extent = (axis: number): string => g.node('Gather', [g.node('Shape', ['x']), g.int64([axis])])
      const repeated = (x: string): string => {
        const shape = g.node('Concat', [extent(0), g.int64([2]), g.int64([3]), extent(1), g.int64([SIZE])], { axis: 0 })
        const wide = g.node('Expand', [g.node('Unsqueeze', [split(g, x, 2), g.int64([2])]), shape])
        return g.node('Reshape', [wide, g.node('Concat', [extent(0), g.int64([6]), extent(1), g.int64([SIZE])], { axis: 0 })])
      }
      const [q, k, v] = projected(g)
      return g.node('MatMul', [mixed(g, split(g, q, 6), repeated(k), repeated(v)), 'o'])
    },
  },
  'a stream through norms as PyTorch exports them, with numbers in Constant nodes': {
    inputs,
    weights: { embed: [WIDTH, 8], first: [8], up: [8, 6], down: [6, 8], last: [8], head: [8, 3] },
    build: g => {
      const number = (value: number): string => g.op('Constant', [], { attributes: { value_float: { float: value } } })
      const normal = (x: string, weight: string): string => {
        const mean = g.node('ReduceMean', [g.node('Pow', [x, number(2)])], { axes: [-1] })
        const root = g.node('Sqrt', [g.node('Add', [mean, number(0.3)])])
        return g.node('Mul', [weight, g.node('Mul', [x, g.node('Div', [number(1), root])])])
      }
      const stream = g.node('MatMul', ['x', 'embed'])
      const added = g.node('MatMul', [g.node('Relu', [g.node('MatMul', [normal(stream, 'first'), 'up'])]), 'down'])
      return g.node('MatMul', [normal(g.node('Add', [stream, added]), 'last'), 'head'])
    },
  },
  'a stream through norms of ONNX Runtime': {
    inputs,
    weights: { embed: [WIDTH, 8], first: [8], second: [8], up: [8, 6], down: [6, 8], head: [8, 3] },
    build: g => {
      const stream = g.node('MatMul', ['x', 'embed'])
      const normal = g.node('SimplifiedLayerNormalization', [stream, 'first'], { axis: -1, epsilon: { float: 0.3 } })
      const added = g.node('MatMul', [g.node('Relu', [g.node('MatMul', [normal, 'up'])]), 'down'])
      const last = g.op('SkipSimplifiedLayerNormalization', [added, stream, 'second'], { domain: MICROSOFT, attributes: { epsilon: { float: 0.2 } } }) // prettier-ignore
      return g.node('MatMul', [last, 'head'])
    },
  },
}

/** What each of them has, by kind: units, those of a group, and members. */
const FOUND: Readonly<Record<string, readonly string[]>> = {
  'attention in one node, with biases': ['heads 3: q k v bias bias bias o'],
  'queries and keys that are turned in nodes of their own': ['heads 3: q k v o'],
  'attention of GPT-2: one weight for queries, keys and values, layer norms over the stream': [
    'heads 3: c_attn c_attn c_attn bias bias bias o',
  ],
  'keys that are repeated for the query heads of their group, as PyTorch exports them': [
    'heads 2: q k v o',
    'queries 6 in groups of 3: q o',
    'sizes 4: v o',
  ],
  'a stream through norms as PyTorch exports them, with numbers in Constant nodes': [
    'stream 8: embed down first last up head',
    'neurons 6: up down',
  ],
  'a stream through norms of ONNX Runtime': ['stream 8: embed down first second up head', 'neurons 6: up down'],
}

for (const [name, graph] of Object.entries(GRAPHS)) {
  let model: OnnxModel
  beforeAll(async () => {
    model = await openOnnxModel(new Blob([smallGraph(graph) as Uint8Array<ArrayBuffer>]))
  })
  afterAll(() => model.close!())

  it(`finds the units of ${name}`, () => {
    const told = model.couplings!.map(({ kind, units, perGroup, members }) => `${kind} ${units}${perGroup ? ` in groups of ${perGroup}` : ''}: ${members.map(({ parameter }) => parameter).join(' ')}`) // prettier-ignore
    expect(told).toEqual(FOUND[name])
  })

  describeCouplings(name, {
    make: () => model,
    input: () => tf.tidy(() => tf.sin(tf.reshape(tf.range(0, 2 * 5 * WIDTH), [2, 5, WIDTH]))),
  })
}
