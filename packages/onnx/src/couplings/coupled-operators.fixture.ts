import type { SmallGraph } from './coupled-graphs.fixture.js'

/** A filter of 4 channels behind x (…, 3, 8, 8), then `between`, then a reader of them. */
export const between = (build: SmallGraph['build'], weights: SmallGraph['weights'] = {}, more: Partial<SmallGraph> = {}): SmallGraph => ({
  weights: { w: [4, 3, 1, 1], read: [2, 4, 1, 1], ...weights },
  build: graph => build(graph),
  ...more,
})

const W = ['writes w axis 0', 'reads read axis 1']

const conv = (graph: Parameters<SmallGraph['build']>[0]): string => graph.node('Conv', ['x', 'w'])

/** Graphs in which the 4 channels of w go through an operator, and where they then stand. */
export const THROUGH: readonly (readonly [what: string, graph: SmallGraph, members: readonly string[]])[] = [
  ['what is done element by element', between(g => g.node('Conv', [g.node('Sigmoid', [g.node('Clip', [conv(g)])]), 'read'])), W],
  [
    'batch norms',
    between(g => g.node('Conv', [g.node('BatchNormalization', [conv(g), 's', 'b', 'm', 'variance']), 'read']), {
      ...{ s: [4], b: [4], m: [4], variance: [4] },
    }),
    ['writes w axis 0', 'carries s axis 0', 'carries b axis 0', 'carries m axis 0', 'carries variance axis 0', 'reads read axis 1'],
  ],
  [
    'kernels of one channel',
    between(g => g.node('Conv', [g.node('Conv', [conv(g), 'd', 'db'], { group: 4 }), 'read']), { d: [4, 1, 3, 3], db: [4] }),
    ['writes w axis 0', 'carries d axis 0', 'carries db axis 0', 'reads read axis 1'],
  ],
  [
    'two kernels for each channel',
    between(g => g.node('Conv', [g.node('Conv', [conv(g), 'd'], { group: 4 }), 'read']), { d: [8, 1, 1, 1], read: [2, 8, 1, 1] }),
    ['writes w axis 0', 'carries d axis 0 size 2', 'reads read axis 1 size 2'],
  ],
  [
    'transposed convolutions, which have outputs on their second axis',
    between(g => g.node('ConvTranspose', [conv(g), 'read'], { strides: [2, 2] }), { read: [4, 2, 2, 2] }),
    ['writes w axis 0', 'reads read axis 0'],
  ],
  [
    'sums with a weight and factors, along the axes that these have',
    between(g => g.node('Conv', [g.node('Mul', [g.node('Add', [conv(g), 'b']), 'f']), 'read']), { b: [4, 1, 1], f: [1, 4, 1, 8] }),
    ['writes w axis 0', 'writes b axis 0', 'carries f axis 1', 'reads read axis 1'],
  ],
  [
    'sums of two values, whose units are one',
    between(g => g.node('Conv', [g.node('Add', [conv(g), g.node('Conv', ['x', 'other'])]), 'read']), { other: [4, 3, 1, 1] }),
    ['writes w axis 0', 'writes other axis 0', 'reads read axis 1'],
  ],
  [
    'gates of one place',
    between(g => g.node('Conv', [g.node('Mul', [conv(g), g.node('GlobalAveragePool', [conv(g)])]), 'read'])),
    ['writes w axis 0', 'reads read axis 1'],
  ],
  ['pooling', between(g => g.node('Conv', [g.node('AveragePool', [conv(g)], { kernel_shape: [2, 2] }), 'read'])), W],
  [
    'means over other axes, and flattening: 4 channels of one place',
    between(g => g.node('MatMul', [g.node('Flatten', [g.node('ReduceMean', [conv(g)], { axes: [2, 3] })]), 'read']), { read: [4, 2] }),
    ['writes w axis 0', 'reads read axis 0'],
  ],
  [
    'flattening: 4 channels of 8 · 8 places',
    between(g => g.node('Gemm', [g.node('Flatten', [conv(g)]), 'read']), { read: [256, 2] }),
    ['writes w axis 0', 'reads read axis 0 size 64'],
  ],
  [
    'flattening images whose channels stand last',
    between(g => g.node('Gemm', [g.node('Flatten', [g.node('Transpose', [conv(g)], { perm: [0, 2, 3, 1] })]), 'read']), { read: [256, 2] }),
    ['writes w axis 0', 'reads read axis 0 repeats 64'],
  ],
  [
    'shapes that part what was flattened',
    between(g => g.node('Conv', [g.node('Reshape', [g.node('Flatten', [conv(g)]), g.int64([0, 4, 8, 8])]), 'read'])),
    W,
  ],
  [
    'shapes whose batch the caller chooses',
    between(g => g.node('MatMul', [g.node('Reshape', [conv(g), g.int64([-1, 256])]), 'read']), { read: [256, 2] }),
    ['writes w axis 0', 'reads read axis 0 size 64'],
  ],
  [
    'values side by side: the channels of x come first',
    between(g => g.node('Conv', [g.node('Concat', ['x', conv(g)], { axis: 1 }), 'read']), { read: [2, 7, 1, 1] }),
    ['writes w axis 0', 'reads read axis 1 start 3'],
  ],
  [
    'zeros around images, images of another size',
    between(g => {
      const padded = g.node('Pad', [conv(g), g.int64([0, 0, 1, 1, 0, 0, 1, 1])])
      return g.node('Conv', [g.node('Resize', [padded, '', g.constant('f32', [4], [1, 1, 2, 2])]), 'read'])
    }),
    W,
  ],
  [
    'axes of one that come and go',
    between(g => g.node('MatMul', [g.node('Squeeze', [g.node('GlobalMaxPool', [conv(g)]), g.int64([2, 3])]), 'read']), { read: [4, 2] }),
    ['writes w axis 0', 'reads read axis 0'],
  ],
  ['shares over other axes', between(g => g.node('Conv', [g.node('Softmax', [conv(g)], { axis: 3 }), 'read'])), W],
  ['products from the left', between(g => g.node('MatMul', ['left', g.node('Conv', [conv(g), 'read'])]), { left: [5, 8] }), W],
  [
    'weights that stand in two places, which have the units of both',
    between(g => g.node('Conv', [g.node('Add', [conv(g), g.node('Relu', [conv(g)])]), 'read'])),
    W,
  ],
  [
    'parts of other axes, and places of them',
    between(g => {
      const [left] = g.ops('Split', [conv(g)], { attributes: { axis: 3 }, outputs: 2 })
      const sliced = g.node('Slice', [left, g.int64([1]), g.int64([3]), g.int64([2])])
      return g.node('Conv', [g.node('Gather', [sliced, g.int64([1, 0])], { axis: -1 }), 'read'])
    }),
    W,
  ],
  [
    'norms over other axes',
    between(g => g.node('Conv', [g.node('LayerNormalization', [conv(g), 's'], { axis: -1 }), 'read']), { s: [8] }),
    W,
  ],
  [
    'views of as many rows as there were, as PyTorch writes them',
    between(
      g => {
        const made = conv(g)
        const rows = g.node('Unsqueeze', [g.node('Gather', [g.node('Shape', [made]), g.constant('i64', [], [0])]), g.int64([0])])
        return g.node('MatMul', [g.node('Reshape', [made, g.node('Concat', [rows, g.int64([-1])], { axis: 0 })]), 'read'])
      },
      { read: [256, 2] },
    ),
    ['writes w axis 0', 'reads read axis 0 size 64'],
  ],
  [
    'views that copy the number of units too',
    between(
      g => {
        const made = conv(g)
        const two = g.node('Slice', [g.node('Shape', [made]), g.int64([0]), g.int64([2])])
        const flat = g.node('Reshape', [made, g.node('Concat', [two, g.int64([-1])], { axis: 0 })])
        return g.node('MatMul', [g.node('ReduceMax', [flat], { axes: [2], keepdims: 0 }), 'read'])
      },
      { read: [4, 2] },
    ),
    ['writes w axis 0', 'reads read axis 0'],
  ],
  [
    'shapes that are put together of numbers and extents',
    between(
      g => {
        const rows = g.node('Slice', [g.node('Shape', ['x']), g.int64([0]), g.int64([1])])
        const shape = g.node('Concat', [rows, g.int64([4, 64])], { axis: 0 })
        return g.node('MatMul', [g.node('ReduceMax', [g.node('Reshape', [conv(g), shape])], { axes: [2], keepdims: 0 }), 'read'])
      },
      { read: [4, 2] },
    ),
    ['writes w axis 0', 'reads read axis 0'],
  ],
  [
    'parts, each with units of its own',
    between(
      g => {
        const [gate, up] = g.ops('Split', [conv(g), g.int64([4, 4])], { attributes: { axis: 1 }, outputs: 2 })
        return g.node('Conv', [g.node('Mul', [g.node('Sigmoid', [gate]), up]), 'read'])
      },
      { w: [8, 3, 1, 1] },
    ),
    ['writes w axis 0', 'writes w axis 0 start 4', 'reads read axis 1'],
  ],
  [
    'shapes that part them into units within units',
    between(g => g.node('MatMul', [g.node('Reshape', [conv(g), g.int64([0, 2, 128])]), 'read']), { read: [128, 2] }),
    ['writes w axis 0 repeats 2', 'reads read axis 0 size 64'],
  ],
]
