import type { Nodes, SmallGraph } from '../coupled-tfjs.fixture.js'

/** A filter of 4 channels behind x (…, 8, 8, 3), then `build`, then a reader of them. */
export const between = (build: SmallGraph['build'], weights: SmallGraph['weights'] = {}, more: Partial<SmallGraph> = {}): SmallGraph => ({
  weights: { w: [1, 1, 3, 4], read: [1, 1, 4, 2], ...weights },
  build,
  ...more,
})

export const conv = (g: Nodes): string => g.node('Conv2D', ['x', 'w'])
/** Reads the channels of a value. */
const read = (g: Nodes, x: string): string => g.node('Conv2D', [x, 'read'])

const W = ['writes w axis 3', 'reads read axis 2']
const NORM = { s: [4], b: [4], m: [4], variance: [4] }

/** Graphs in which the 4 channels of w go through an operator, and where they then stand. */
export const THROUGH: readonly (readonly [what: string, graph: SmallGraph, members: readonly string[]])[] = [
  ['what is done element by element', between(g => read(g, g.node('Relu6', [g.node('Sigmoid', [conv(g)])]))), W],
  [
    'a bias and an activation that are fused with the filter',
    between(g => read(g, g.node('_FusedConv2D', ['x', 'w', 'b'], { fused_ops: ['BiasAdd', 'Relu6'], num_args: 1 })), { b: [4] }),
    ['writes w axis 3', 'writes b axis 0', 'reads read axis 2'],
  ],
  [
    'slopes that are fused with it',
    between(g => read(g, g.node('_FusedConv2D', ['x', 'w', 'b', 'slopes'], { fused_ops: ['BiasAdd', 'Prelu'], num_args: 2 })), {
      ...{ b: [4], slopes: [4] },
    }),
    ['writes w axis 3', 'writes b axis 0', 'carries slopes axis 0', 'reads read axis 2'],
  ],
  ['a bias behind it', between(g => read(g, g.node('BiasAdd', [conv(g), 'b'])), { b: [4] }), ['writes w axis 3', 'writes b axis 0', 'reads read axis 2']], // prettier-ignore
  [
    'batch norms',
    between(g => read(g, g.node('FusedBatchNormV3', [conv(g), 's', 'b', 'm', 'variance'])), NORM),
    ['writes w axis 3', ...Object.keys(NORM).map(name => `carries ${name} axis 0`), 'reads read axis 2'],
  ],
  [
    'kernels of one channel, with a bias',
    between(g => read(g, g.node('FusedDepthwiseConv2dNative', [conv(g), 'd', 'db'], { padding: 'SAME', fused_ops: ['BiasAdd', 'Relu'], num_args: 1 })), { d: [3, 3, 4, 1], db: [4] }), // prettier-ignore
    ['writes w axis 3', 'carries d axis 2', 'carries db axis 0', 'reads read axis 2'],
  ],
  [
    'two kernels for each channel',
    between(g => read(g, g.node('DepthwiseConv2dNative', [conv(g), 'd'])), { d: [3, 3, 4, 2], read: [1, 1, 8, 2] }),
    ['writes w axis 3', 'carries d axis 2', 'reads read axis 2 size 2'],
  ],
  [
    'transposed convolutions, whose constant has the channels that come out',
    between(g => {
      const up = g.node('Conv2DBackpropInput', [g.ints([2, 8, 8, 4]), 'w', g.node('Relu', ['x'])])
      return read(g, up)
    }, { w: [1, 1, 4, 3] }), // prettier-ignore
    ['writes w axis 2', 'reads read axis 2'],
  ],
  [
    'sums with a weight and factors, along the axes that these have',
    between(g => read(g, g.node('Mul', [g.node('AddV2', [conv(g), 'b']), 'f'])), { b: [4], f: [8, 1, 4] }),
    ['writes w axis 3', 'writes b axis 0', 'carries f axis 2', 'reads read axis 2'],
  ],
  [
    'sums of values, whose units are one',
    between(g => read(g, g.node('AddV2', [conv(g), g.node('Conv2D', ['x', 'other'])])), { other: [1, 1, 3, 4] }),
    ['writes w axis 3', 'writes other axis 3', 'reads read axis 2'],
  ],
  [
    'gates of one place',
    between(g => read(g, g.node('Mul', [conv(g), g.node('Mean', [conv(g), g.ints([1, 2])], { keep_dims: true })]))),
    W,
  ],
  ['pooling and zeros around images', between(g => read(g, g.node('MaxPool', [g.node('Pad', [conv(g), g.ints([0, 0, 0, 1, 0, 1, 0, 0], [4, 2])])]))), W], // prettier-ignore
  ['images of another size', between(g => read(g, g.node('ResizeBilinear', [conv(g), g.ints([4, 4])], { align_corners: false }))), W],
  [
    'places that become images and places again',
    between(g => {
      const split = g.node('SpaceToBatchND', [conv(g), g.ints([2, 2]), g.ints([0, 0, 0, 0], [2, 2])])
      return read(g, g.node('BatchToSpaceND', [split, g.ints([2, 2]), g.ints([0, 0, 0, 0], [2, 2])]))
    }),
    W,
  ],
  [
    'flattening, where each unit has a row for each place',
    between(g => g.node('MatMul', [g.node('Reshape', [g.node('AvgPool', [conv(g)], { strides: [1, 2, 2, 1] }), g.ints([-1, 64])]), 'read']), { read: [64, 2] }), // prettier-ignore
    ['writes w axis 3', 'reads read axis 0 repeats 16'],
  ],
  [
    'a shape that copies the number of images',
    between(g => {
      const pooled = g.node('Relu', [conv(g)])
      const rows = g.node('StridedSlice', [g.node('Shape', [pooled], { out_type: 'int32' }), g.ints([0]), g.ints([1]), g.ints([1])], { shrink_axis_mask: 1 }) // prettier-ignore
      const flat = g.node('Reshape', [pooled, g.node('Pack', [rows, g.ints([-1], [])], { axis: 0 })])
      return g.node('MatMul', [flat, 'read'])
    }, { read: [256, 2] }), // prettier-ignore
    ['writes w axis 3', 'reads read axis 0 repeats 64'],
  ],
  [
    'axes of one place that go, and come',
    between(g => {
      const means = g.node('Squeeze', [g.node('Mean', [conv(g), g.ints([1, 2])], { keep_dims: true })], { squeeze_dims: [1, 2] })
      return read(g, g.node('ExpandDims', [g.node('ExpandDims', [means, g.ints([1], [])]), g.ints([1], [])]))
    }),
    W,
  ],
  [
    'other orders of axes, and products with a matrix',
    between(g => {
      const turned = g.node('Transpose', [conv(g), g.ints([0, 3, 1, 2])])
      const back = g.node('Transpose', [turned, g.ints([0, 2, 3, 1])])
      const means = g.node('Mean', [back, g.ints([1, 2])], { keep_dims: false })
      return g.node('_FusedMatMul', [means, 'read', 'b'], { transpose_b: true, fused_ops: ['BiasAdd'], num_args: 1 })
    }, { read: [2, 4], b: [2] }), // prettier-ignore
    ['writes w axis 3', 'reads read axis 1'],
  ],
  [
    'values side by side, behind others',
    between(g => read(g, g.node('ConcatV2', [g.node('Conv2D', ['x', 'other']), conv(g), 'x', g.ints([3], [])], { N: 3 })), {
      ...{ other: [1, 1, 3, 3], read: [1, 1, 10, 2] },
    }),
    ['writes w axis 3', 'reads read axis 2 start 3'],
  ],
  [
    'values one behind the other, and stretches of other axes',
    between(g => {
      const both = g.node('Pack', [conv(g), g.node('Conv2D', ['x', 'other'])], { axis: 1, N: 2 })
      const first = g.node('Slice', [both, g.ints([0, 1, 0, 0, 0]), g.ints([-1, 1, 8, 8, 4])])
      return read(g, g.node('Squeeze', [first], { squeeze_dims: [1] }))
    }, { other: [1, 1, 3, 4] }), // prettier-ignore
    ['writes w axis 3', 'writes other axis 3', 'reads read axis 2'],
  ],
  [
    'channels that are shuffled in groups',
    between(g => {
      const parted = g.node('Reshape', [conv(g), g.ints([-1, 8, 8, 2, 3])])
      const turned = g.node('Transpose', [parted, g.ints([0, 1, 2, 4, 3])])
      return read(g, g.node('Reshape', [turned, g.ints([-1, 8, 8, 6])]))
    }, { w: [1, 1, 3, 6], read: [1, 1, 6, 2] }), // prettier-ignore
    ['writes w axis 3 repeats 2', 'reads read axis 2 size 2'],
  ],
  [
    'weights that a node hands on',
    between(g =>
      g.node('Conv2D', [g.node('Conv2D', ['x', g.node('Identity', ['w'])]), g.node('Identity', [g.node('Identity', ['read'])])]),
    ),
    W,
  ],
]

/** Graphs in which they stay whole, and why. */
export const WHOLE: readonly (readonly [what: string, graph: SmallGraph, reason: string])[] = [
  ['that the graph gives', between(conv), 'they are what the graph gives'],
  ['that reach an operator without a rule', between(g => read(g, g.node('LRN', [conv(g)]))), 'LRN ("LRN_4"): there is no rule for it'],
  ['that shares are made of', between(g => read(g, g.node('Softmax', [conv(g)]))), 'Softmax takes them together'],
  [
    'that a mean is taken over',
    between(g => read(g, g.node('Sub', [conv(g), g.node('Mean', [conv(g), g.ints([-1])], { keep_dims: true })]))),
    'Mean takes them together',
  ],
  [
    'that are parted',
    between(g => read(g, `${g.node('Split', [g.ints([3], []), conv(g)], { num_split: 2 })}:1`), { read: [1, 1, 2, 2] }),
    'Split takes parts of them',
  ],
  [
    'of which some are left out',
    between(g => read(g, g.node('Slice', [conv(g), g.ints([0, 0, 0, 1]), g.ints([-1, 8, 8, 2])])), { read: [1, 1, 2, 2] }),
    'Slice takes parts of them',
  ],
  [
    'of which some are chosen',
    between(g => read(g, g.node('GatherV2', [conv(g), g.ints([1, 3]), g.ints([3], [])])), { read: [1, 1, 2, 2] }),
    'GatherV2 takes parts of them',
  ],
  [
    'that meet what comes in from outside',
    between(g => read(g, g.node('AddV2', [conv(g), 'x'])), { w: [1, 1, 3, 3], read: [1, 1, 3, 2] }),
    'AddV2 meets them with others',
  ],
  ['beside zeros', between(g => read(g, g.node('Pad', [conv(g), g.ints([0, 0, 0, 0, 0, 0, 0, 1], [4, 2])])), { read: [1, 1, 5, 2] }), 'Pad adds others beside them'], // prettier-ignore
  [
    'whose shape is computed when the graph runs',
    between(g => {
      const flat = g.node('Reshape', [conv(g), g.node('Abs', [g.node('Shape', ['x'], { out_type: 'int32' })])])
      return g.node('MatMul', [flat, 'read'])
    }, { read: [256, 2] }), // prettier-ignore
    'Reshape ("Reshape_6"): its shape shows when the graph runs',
  ],
  [
    'whose number a shape is given when the graph runs',
    between(g => {
      const made = conv(g)
      const rows = g.node('StridedSlice', [g.node('Shape', [made]), g.ints([0]), g.ints([1]), g.ints([1])], { shrink_axis_mask: 1 })
      const shape = g.node('Pack', [rows, g.ints([64], []), g.ints([4], [])], { axis: 0 })
      return g.node('MatMul', [g.node('Max', [g.node('Reshape', [made, shape]), g.ints([1])], { keep_dims: false }), 'read'])
    }, { read: [4, 2] }), // prettier-ignore
    'Reshape is told their number when the graph runs',
  ],
  [
    'that a shape mixes with others',
    between(g => g.node('MatMul', [g.node('Reshape', [conv(g), g.ints([-1, 96, 4])]), 'read']), { w: [1, 1, 3, 6], read: [4, 2] }),
    'Reshape ("Reshape_5"): its shape leaves open what becomes of its axes',
  ],
  [
    'in groups of filters, which the weight alone does not say',
    between(g => read(g, g.node('Conv2D', [conv(g), 'grouped'])), { grouped: [1, 1, 2, 4] }),
    '"grouped" has another extent',
  ],
  [
    'whose channels stand before their places',
    between(g => read(g, g.node('Conv2D', [conv(g), 'read'], { data_format: 'NCHW' }))),
    'Conv2D ("Conv2D_4"): its channels stand before its places, or its padding is not known',
  ],
  [
    'of which a constant says more than their number',
    between(g => {
      const shape = g.ints([-1, 8, 8, 4])
      const scaled = g.node('Mul', [g.node('Reshape', [conv(g), shape]), g.node('Cast', [shape])])
      return read(g, scaled)
    }),
    '"const_3" says more than extents',
  ],
  [
    'that two values are summed over',
    between(g => {
      const flat = g.node('Reshape', [conv(g), g.ints([-1, 64, 4])])
      return g.node('BatchMatMulV2', [flat, flat], { adj_y: true })
    }),
    'a product of two values sums over them without a weight',
  ],
]
