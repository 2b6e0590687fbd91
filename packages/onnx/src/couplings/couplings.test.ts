import type { Coupling } from '@tersor/core'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openOnnx, withTrees } from '../file.js'
import { couplingsOf, type GraphCouplings } from '@tersor/models/internal/imported/couplings/couplings-of'
import { IMAGE_NETWORK, smallGraph, type SmallGraph } from './coupled-graphs.fixture.js'
import { between, THROUGH } from './coupled-operators.fixture.js'
import { labelGraph } from './label-graph.js'
import { MICROSOFT_RULES, RULES } from './rules/table.js'

const foundIn = async (graph: SmallGraph): Promise<GraphCouplings> => {
  const onnx = withTrees(await openOnnx(new Blob([smallGraph(graph) as Uint8Array<ArrayBuffer>])))
  const found = couplingsOf(labelGraph(onnx))
  await onnx.close()
  return found
}

/** Members as "writes w axis 0 start 2 size 3 repeats 4". */
const told = ({ members }: Coupling): readonly string[] =>
  members.map(
    ({ role, parameter, axis, start = 0, size = 1, repeats = 1 }) =>
    [`${role} ${parameter} axis ${axis}`, start && `start ${start}`, size > 1 && `size ${size}`, repeats > 1 && `repeats ${repeats}`].filter(Boolean).join(' '), // prettier-ignore
  )

const ofAll = async (graph: SmallGraph) => Object.fromEntries((await foundIn(graph)).couplings.map(each => [each.name, told(each)]))

const wholeOf = async (graph: SmallGraph) => (await foundIn(graph)).whole.map(({ weight, reason }) => `${weight}: ${reason}`)

describe('labels go through', () => {
  it.each(THROUGH)('%s', async (_what, graph, members) => {
    const { couplings, whole } = await foundIn(graph)
    expect(whole.filter(({ weight }) => weight === 'w')).toEqual([])
    expect(couplings.map(told)).toContainEqual(members)
  })
})

describe('units stay whole', () => {
  it.each<readonly [string, SmallGraph, string]>([
    ['that the graph gives', between(g => g.node('Conv', ['x', 'w'])), 'they are what the graph gives'],
    [
      'that reach an operator without a rule',
      between(g => g.node('Conv', [g.node('LRN', [g.node('Conv', ['x', 'w'])], { size: 3 }), 'read'])),
      'LRN ("node_LRN_1"): there is no rule for it',
    ],
    [
      'in groups of several channels',
      between(g => g.node('Conv', [g.node('Conv', [g.node('Conv', ['x', 'w']), 'd'], { group: 2 }), 'read']), { d: [4, 2, 1, 1] }),
      'Conv has 2 groups',
    ],
    [
      'whose shape is computed when the graph runs',
      between(
        g => {
          const shape = g.node(
            'Concat',
            [g.node('Div', [g.node('Slice', [g.node('Shape', ['x']), g.int64([0]), g.int64([1])]), g.int64([1])]), g.int64([256])],
            {
              axis: 0,
            },
          )
          return g.node('MatMul', [g.node('Reshape', [g.node('Conv', ['x', 'w']), shape]), 'read'])
        },
        { read: [256, 2] },
      ),
      'Reshape ("node_Reshape_5"): its shape shows when the graph runs',
    ],
    [
      'whose number stands in a shape that is computed in several nodes',
      between(
        g => {
          const rows = g.node('Slice', [g.node('Shape', ['x']), g.int64([0]), g.int64([1])])
          const shape = g.node('Identity', [g.node('Concat', [rows, g.int64([4, 64])], { axis: 0 })])
          return g.node('MatMul', [g.node('ReduceMax', [g.node('Reshape', [g.node('Conv', ['x', 'w']), shape])], { axes: [2], keepdims: 0 }), 'read']) // prettier-ignore
        },
        { read: [4, 2] },
      ),
      'Reshape is told their number when the graph runs',
    ],
    [
      'of which a shape is taken',
      between(g => {
        const made = g.node('Conv', ['x', 'w'])
        return g.node('Conv', [g.node('Resize', [made, '', '', g.node('Shape', [made])]), 'read'])
      }),
      'Resize ("node_Resize_2"): its sizes show when the graph runs',
    ],
    [
      'over which a mean is taken',
      between(g => g.node('Conv', [g.node('Mul', [g.node('Conv', ['x', 'w']), g.node('ReduceMean', [g.node('Conv', ['x', 'w'])], { axes: [1] })]), 'read'])), // prettier-ignore
      'ReduceMean takes them together',
    ],
    [
      'that are parted into other numbers',
      between(
        g => {
          const [, part] = g.ops('Split', [g.node('Flatten', [g.node('Conv', ['x', 'w'])]), g.int64([100, 156])], {
            attributes: { axis: 1 },
            outputs: 2,
          })
          return g.node('MatMul', [part, 'read'])
        },
        { read: [156, 2] },
      ),
      'Split takes parts of them',
    ],
    [
      'of which some are chosen',
      between(g => g.node('Conv', [g.node('Gather', [g.node('Conv', ['x', 'w']), g.int64([1, 3])], { axis: 1 }), 'read']), { read: [2, 2, 1, 1] }), // prettier-ignore
      'Gather takes parts of them',
    ],
    [
      'of which some are left out',
      between(g => g.node('Conv', [g.node('Slice', [g.node('Conv', ['x', 'w']), g.int64([1]), g.int64([3]), g.int64([1])]), 'read']), { read: [2, 2, 1, 1] }), // prettier-ignore
      'Slice takes parts of them',
    ],
    [
      'that a layer norm runs over',
      between(g => g.node('Conv', [g.node('LayerNormalization', [g.node('Conv', ['x', 'w']), 's'], { axis: 1 }), 'read']), {
        s: [4, 8, 8],
      }),
      'LayerNormalization takes them together',
    ],
    [
      'on grids of inputs',
      between(g => {
        const grid = [g.constant('f32', [], [0.1]), g.constant('u8', [], [128])]
        const rounded = g.node('QuantizeLinear', [g.node('Conv', ['x', 'w']), ...grid])
        return g.node('Conv', [g.node('DequantizeLinear', [rounded, ...grid]), 'read'])
      }),
      'QuantizeLinear ("node_QuantizeLinear_1"): there is no rule for it',
    ],
    [
      'that met by attributes in old versions',
      between(
        g => g.node('Conv', [g.node('Add', [g.node('Conv', ['x', 'w']), 'b'], { broadcast: 1, axis: 1 }), 'read']),
        { b: [4] },
        { opset: 6 },
      ),
      'Add ("node_Add_1"): attributes say how its inputs meet',
    ],
    [
      'that shares are made of',
      between(g => g.node('Conv', [g.node('Softmax', [g.node('Conv', ['x', 'w'])], { axis: 1 }), 'read'])),
      'Softmax takes them together',
    ],
    ['beside zeros', between(g => g.node('Conv', [g.node('Pad', [g.node('Conv', ['x', 'w']), g.int64([0, 1, 0, 0, 0, 0, 0, 0])]), 'read']), { read: [2, 5, 1, 1] }), 'Pad adds others beside them'], // prettier-ignore
    [
      'that meet what comes in from outside',
      between(g => g.node('Conv', [g.node('Add', ['x', g.node('Conv', ['x', 'w'])]), 'read']), {}, { inputs: { x: [1, 4, 8, 8] } }),
      'Add meets them with others',
    ],
    [
      'that two values are summed over',
      between(g => {
        const a = g.node('Transpose', [g.node('Conv', ['x', 'w'])], { perm: [0, 2, 3, 1] })
        return g.node('MatMul', [a, g.node('Transpose', [a], { perm: [0, 1, 3, 2] })])
      }),
      'a product of two values sums over them without a weight',
    ],
    [
      'that a shape mixes with others',
      between(
        g => g.node('MatMul', [g.node('Reshape', [g.node('Conv', ['x', 'w']), g.int64([0, 6, 24])]), 'read']),
        { read: [24, 2] },
        { inputs: { x: ['batch', 3, 6, 6] } },
      ),
      'Reshape mixes them with other axes',
    ],
  ])('%s', async (_what, graph, reason) => {
    const { couplings, whole } = await foundIn(graph)
    expect(couplings.flatMap(told).filter(member => / w axis 0/.test(member))).toEqual([])
    expect(whole.filter(({ weight }) => weight === 'w')).toEqual([{ weight: 'w', units: 4, reason }])
  })
})

it('finds what goes together in a network of images', async () => {
  expect(await ofAll(IMAGE_NETWORK)).toEqual({
    'stem.channels': [
      ...['writes stem axis 0', 'writes project axis 0'],
      ...['carries scale axis 0', 'carries shift axis 0', 'carries mean axis 0', 'carries variance axis 0'],
      ...['reads expand axis 1', 'reads beside axis 1', 'reads hidden axis 1 size 16'],
    ],
    'expand.channels': [
      ...['writes expand axis 0', 'writes expand.bias axis 0', 'writes excite axis 0'],
      ...['carries depth axis 0', 'carries depth.bias axis 0', 'reads squeeze axis 1', 'reads project axis 1'],
    ],
    'squeeze.channels': ['writes squeeze axis 0', 'reads excite axis 1'],
    'beside.channels': ['writes beside axis 0', 'carries slope axis 0', 'reads hidden axis 1 start 96 size 16'],
    'hidden.neurons': ['writes hidden axis 0', 'writes hidden.bias axis 0', 'reads head axis 0'],
  })
  expect(await wholeOf(IMAGE_NETWORK)).toEqual(['head: they are what the graph gives'])
})

it('takes a sum over no axes for what it is', async () => {
  const graph = (more: Readonly<Record<string, number>>) =>
    between(g => {
      const made = g.node('Conv', ['x', 'w'])
      return g.node('Conv', [g.node('Mul', [made, g.node('ReduceSum', [made], { keepdims: 1, ...more })]), 'read'])
    })
  expect(await wholeOf(graph({}))).toContain('w: ReduceSum takes them together')
  expect(Object.keys(await ofAll(graph({ noop_with_empty_axes: 1 })))).toEqual(['w.channels'])
})

it('leaves a weight alone that is a value elsewhere', async () => {
  const graph = between(g =>
    g.node('Conv', [g.node('Add', [g.node('Conv', ['x', 'w']), g.node('ReduceSum', ['w'], { keepdims: 0 })]), 'read']),
  )
  expect((await foundIn(graph)).couplings).toEqual([])
})

it('takes nodes in whatever order a file has them', async () => {
  const turned: SmallGraph = {
    ...IMAGE_NETWORK,
    build: graph => {
      const name = IMAGE_NETWORK.build(graph)
      ;(graph.nodes as unknown[]).reverse()
      return name
    },
  }
  const { couplings } = await foundIn(turned)
  expect(couplings).toHaveLength(5)
})

it('finds the neurons of a network of words, behind a table', async () => {
  const graph: SmallGraph = {
    weights: { table: [9, 6], up: [6, 5], gate: [6, 5], down: [5, 2] },
    inputs: { x: ['batch', 3] },
    build: g => {
      const rows = g.node('Gather', ['table', g.node('Cast', ['x'], { to: 7 })])
      return g.node('MatMul', [g.node('Mul', [g.node('MatMul', [rows, 'up']), g.node('MatMul', [rows, 'gate'])]), 'down'])
    },
  }
  expect(await ofAll(graph)).toEqual({
    'table.neurons': ['writes table axis 1', 'reads up axis 0', 'reads gate axis 0'],
    'up.neurons': ['writes up axis 1', 'writes gate axis 1', 'reads down axis 0'],
  })
})

it('has an end where a value stands beside itself again and again', async () => {
  const graph = between(
    g => {
      let value = g.node('Conv', ['x', 'w'])
      for (let i = 0; i < 20; i++) value = g.node('Concat', [value, value], { axis: 1 })
      return g.node('Conv', [value, 'read'])
    },
    { read: [1, 2, 1, 1] },
  )
  expect(await wholeOf(graph)).toContain('w: Concat puts them beside what shows when the graph runs')
})

it('does not trip over axes that there are not', async () => {
  const at = { axis: 7, axes: [9] }
  const types = ['Split', 'Gather', 'Concat', 'ReduceMean', 'Squeeze', 'Unsqueeze', 'Flatten', 'Softmax', 'LayerNormalization', 'Slice']
  for (const type of types) {
    const { axis, axes } = at
    const one = ['ReduceMean', 'Squeeze', 'Unsqueeze'].includes(type) ? { axes } : type === 'Slice' ? {} : { axis }
    const more = type === 'Slice' ? ['int64', 'int64', 'axes'] : type === 'Gather' || type === 'LayerNormalization' ? ['int64'] : []
    const graph = between(g => {
      const names: Readonly<Record<string, string>> = { int64: g.int64([1]), axes: g.int64([9]) }
      return g.node('Conv', [g.node(type, [g.node('Conv', ['x', 'w']), ...more.map(name => names[name])], one), 'read'])
    })
    expect((await foundIn(graph)).whole.length).toBeGreaterThan(0)
  }
})

it('does not trip over axes that are no whole numbers', async () => {
  const graph = between(g => {
    const made = g.node('ReduceSum', [g.node('Conv', ['x', 'w']), g.constant('f32', [1], [0.5])])
    return g.node('Conv', [made, 'read'])
  })
  expect((await foundIn(graph)).couplings).toHaveLength(1)
})

it('has a page that names the operators with rules', async () => {
  const page = await readFile(join(import.meta.dirname, '../../docs/model.md'), 'utf8')
  const [, named] = /<!-- operators -->([^]*)<!-- \/operators -->/.exec(page)!
  expect([...named.matchAll(/`(\w+)`/g)].map(([, operator]) => operator)).toEqual([...Object.keys(RULES), ...Object.keys(MICROSOFT_RULES)])
})
