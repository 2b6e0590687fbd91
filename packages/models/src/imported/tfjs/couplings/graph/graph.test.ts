import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { shrink, switchedOff, type Change, type Coupling, type Model } from '@tersor/core'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTfjsModel } from '../../model.js'
import { apart, IMAGES, inTfjs, outputsOf, partsOf, placeTfjs, smallGraph, type SmallGraph } from '../coupled-tfjs.fixture.js'
import { couplingsOfTfjs } from '../tfjs-couplings.js'
import { between, conv, THROUGH, WHOLE } from './coupled-operators.fixture.js'
import { EXTENTS } from './extents.js'
import { GRAPH_RULES } from './label-graph.js'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-tfjs-couplings-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const foundIn = (graph: SmallGraph) => couplingsOfTfjs(...partsOf(smallGraph(graph)))!

/** Members as "writes w axis 0 start 2 size 3 repeats 4". */
const told = ({ members }: Coupling): readonly string[] =>
  members.map(
    ({ role, parameter, axis, start = 0, size = 1, repeats = 1 }) =>
    [`${role} ${parameter} axis ${axis}`, start && `start ${start}`, size > 1 && `size ${size}`, repeats > 1 && `repeats ${repeats}`].filter(Boolean).join(' '), // prettier-ignore
  )

/** Of each coupling every second unit, the last one first. */
const half = ({ couplings = [] }: Model): Change => ({
  keep: new Map(couplings.map(({ name, units }) => [name, Array.from({ length: Math.ceil(units / 2) }, (_, i) => units - 1 - 2 * i)])),
})

describe('labels go through', () => {
  it.each(THROUGH)('%s', async (_what, graph, members) => {
    const { couplings, whole } = foundIn(graph)
    expect(whole.filter(({ weight }) => weight === 'w')).toEqual([])
    expect(couplings.map(told)).toContainEqual(members)
    const model = await openTfjsModel(await placeTfjs(join(folder, 'large'), smallGraph(graph)))
    const change = half(model)
    const masked = await outputsOf(switchedOff(model, change))
    const small = await shrink(model, change)
    expect(apart(masked, await outputsOf(small))).toBeLessThan(1e-5)
    expect(apart(masked, await outputsOf(model))).toBeGreaterThan(1e-3)
    await small.close?.()
    await model.close?.()
  })
})

describe('units stay whole', () => {
  it.each(WHOLE)('%s', (_what, graph, reason) => {
    const { couplings, whole } = foundIn(graph)
    expect(couplings.flatMap(told).filter(member => / w axis 3/.test(member))).toEqual([])
    expect(whole.filter(({ weight }) => weight === 'w')).toEqual([{ weight: 'w', units: graph.weights.w[3], reason }])
  })
})

it('takes what a signature names for what the graph gives, though others read it', () => {
  const small = smallGraph(between(g => g.node('Conv2D', [g.node('Relu', [conv(g)]), 'read'])))
  const signature = { outputs: { features: { name: 'Relu_4:0' } } }
  const [, manifest, constants] = partsOf(small)
  for (const description of [
    { ...small.description, signature },
    { ...small.description, userDefinedMetadata: { signature } },
  ])
    expect(couplingsOfTfjs(description, manifest, constants)!.whole.map(({ weight, reason }) => `${weight}: ${reason}`)).toEqual([
      'w: they are what the graph gives',
      'read: they are what the graph gives',
    ])
})

it('makes units one where a constant is told of both', async () => {
  const graph: SmallGraph = between(
    g => {
      const shape = g.ints([-1, 256])
      const [a, b] = ['w', 'other'].map(weight => g.node('Reshape', [g.node('Conv2D', ['x', weight]), shape]))
      return g.node('AddV2', [g.node('MatMul', [a, 'read']), g.node('MatMul', [b, 'also'])])
    },
    { other: [1, 1, 3, 4], read: [256, 2], also: [256, 2] },
  )
  expect(foundIn(graph).couplings.map(told)).toEqual([
    ['writes w axis 3', 'writes other axis 3', 'reads read axis 0 repeats 64', 'reads also axis 0 repeats 64'],
  ])
})

it('does not trip over axes, attributes and inputs that there are not', () => {
  for (const op of [...Object.keys(GRAPH_RULES), ...Object.keys(EXTENTS)])
    for (const inputs of [['Conv2D_3'], ['Conv2D_3', 'c'], [], ['none', 'none', 'none'], ['w', 'w', 'w']]) {
      const graph = between(g => {
        conv(g)
        return g.node('Conv2D', [g.node(op, inputs.map(name => (name === 'c' ? g.ints([9, -9, 7]) : name)), { padding: 7, strides: 'x' }), 'read']) // prettier-ignore
      })
      expect(foundIn(graph).couplings.length).toBeLessThan(2)
    }
  for (const attr of [null, 7, { strides: null }, { strides: { list: { i: 'x' } } }, { padding: { s: '%%' } }])
    expect(() => {
      const small = smallGraph(between(g => g.node('Conv2D', [conv(g), 'read'])))
      const { node } = small.description.modelTopology as { node: { attr: unknown }[] }
      for (const each of node) each.attr = attr
      couplingsOfTfjs(...partsOf(small))
    }).not.toThrow()
})

it('has nothing to say of nodes that are none', () => {
  const small = smallGraph(between(g => g.node('Conv2D', [conv(g), 'read'])))
  const { node } = small.description.modelTopology as { node: unknown[] }
  for (const odd of [
    null,
    7,
    {},
    { name: 'a', op: 'Relu', input: [7] },
    { name: 'a', op: 'Relu', input: 'w' },
    { name: 'a', op: 'Relu', attr: 3 },
  ]) {
    const parts = partsOf({ ...small, description: { modelTopology: { node: [...node, odd] } } })
    expect(couplingsOfTfjs(...parts)!.couplings.map(told)).toEqual([['writes w axis 3', 'reads read axis 2']])
  }
})

it('has a page that names the operators with rules', async () => {
  const page = await readFile(join(import.meta.dirname, '../../../../../docs/tfjs-model.md'), 'utf8')
  const [, named] = /<!-- operators -->([^]*)<!-- \/operators -->/.exec(page)!
  expect([...named.matchAll(/`(\w+)`/g)].map(([, operator]) => operator)).toEqual(Object.keys(GRAPH_RULES))
})

it('gives in unmodified tfjs what it gives unwritten', async () => {
  const path = await placeTfjs(join(folder, 'same'), smallGraph(THROUGH[1][1]))
  const model = await openTfjsModel(path)
  const x = tf.tensor(IMAGES, [2, 8, 8, 3])
  expect(apart(await inTfjs(path, x), await outputsOf(model))).toBeLessThan(1e-6)
  x.dispose()
  await model.close?.()
})
