import * as tf from '@tensorflow/tfjs-core'

type T = tf.Tensor
type Rule = Omit<tf.GradConfig, 'kernelName' | 'gradFunc'> & {
  /** dy (or all of them), what was saved, attributes → a gradient an input. */
  readonly rule: (dy: T, saved: T[], attrs: any) => Record<string, () => T>
}

/** Sums a gradient over the axes along which the input was repeated. */
const unbroadcast = (gradient: T, shape: readonly number[]): T => {
  const lead = gradient.rank - shape.length
  const axes = gradient.shape.flatMap((extent, axis) => (axis < lead || (shape[axis - lead] === 1 && extent !== 1) ? [axis] : []))
  return tf.reshape(axes.length === 0 ? gradient : tf.sum(gradient, axes), [...shape])
}

/** Of a kernel with inputs a and b that broadcast. */
const binary = (da: (dy: T, a: T, b: T) => T, db: (dy: T, a: T, b: T) => T): Rule => ({
  inputsToSave: ['a', 'b'],
  rule: (dy, [a, b]) => ({ a: () => unbroadcast(da(dy, a, b), a.shape), b: () => unbroadcast(db(dy, a, b), b.shape) }),
})

/** Of an elementwise kernel whose gradient needs its input. */
const ofInput = (dx: (dy: T, x: T) => T): Rule => ({ inputsToSave: ['x'], rule: (dy, [x]) => ({ x: () => dx(dy, x) }) })

/** Of an elementwise kernel whose gradient needs its output. */
const ofOutput = (dx: (dy: T, y: T) => T): Rule => ({ outputsToSave: [true], rule: (dy, [y]) => ({ x: () => dx(dy, y) }) })

const axesOf = (axis: number | readonly number[] | undefined | null, rank: number): number[] => {
  const given = axis === undefined || axis === null ? Array.from({ length: rank }, (_, i) => i) : [axis].flat()
  return (given as number[]).map(a => (a < 0 ? a + rank : a))
}

/** Puts back the axes that a reduction dropped, each of extent 1, and repeats to the input's shape. */
const spread = (dy: T, shape: readonly number[], axis: number | readonly number[] | undefined): T => {
  const axes = new Set(axesOf(axis, shape.length))
  return tf.broadcastTo(
    tf.reshape(
      dy,
      shape.map((extent, i) => (axes.has(i) ? 1 : extent)),
    ),
    [...shape],
  )
}

const countAlong = (shape: readonly number[], axis: number | readonly number[] | undefined): number =>
  axesOf(axis, shape.length).reduce((product, i) => product * shape[i], 1)

/** d(A · B): dA = dy · Bᵀ and dB = Aᵀ · dy, each turned as its factor was. */
const matMulRule: Rule = {
  inputsToSave: ['a', 'b'],
  rule: (dy, [a, b], { transposeA, transposeB }) => ({
    a: () => unbroadcast(transposeA ? tf.matMul(b, dy, transposeB, true) : tf.matMul(dy, b, false, !transposeB), a.shape),
    b: () => unbroadcast(transposeB ? tf.matMul(dy, a, true, transposeA) : tf.matMul(a, dy, !transposeA, false), b.shape),
  }),
}

/** dy where the test holds, else 0. */
const where = (test: T, dy: T): T => tf.mul(dy, tf.cast(test, 'float32'))

const ELEMENTWISE: Readonly<Record<string, Rule>> = {
  Add: binary(
    dy => dy,
    dy => dy,
  ),
  Sub: binary(
    dy => dy,
    dy => tf.neg(dy),
  ),
  Multiply: binary(
    (dy, _a, b) => tf.mul(dy, tf.cast(b, 'float32')),
    (dy, a) => tf.mul(dy, tf.cast(a, 'float32')),
  ),
  RealDiv: binary(
    (dy, _a, b) => tf.div(dy, b),
    (dy, a, b) => tf.neg(tf.div(tf.mul(dy, a), tf.square(b))),
  ),
  Maximum: binary(
    (dy, a, b) => where(tf.greaterEqual(a, b), dy),
    (dy, a, b) => where(tf.less(a, b), dy),
  ),
  Minimum: binary(
    (dy, a, b) => where(tf.lessEqual(a, b), dy),
    (dy, a, b) => where(tf.greater(a, b), dy),
  ),
  Abs: ofInput((dy, x) => tf.mul(dy, tf.sign(x))),
  Neg: { rule: dy => ({ x: () => tf.neg(dy) }) },
  Square: ofInput((dy, x) => tf.mul(dy, tf.mul(x, 2))),
  Sqrt: ofOutput((dy, y) => tf.div(dy, tf.mul(y, 2))),
  Rsqrt: ofOutput((dy, y) => tf.mul(dy, tf.mul(tf.mul(y, tf.square(y)), -0.5))),
  Exp: ofOutput((dy, y) => tf.mul(dy, y)),
  Log: ofInput((dy, x) => tf.div(dy, x)),
  Sigmoid: ofOutput((dy, y) => tf.mul(dy, tf.sub(y, tf.square(y)))),
  Tanh: ofOutput((dy, y) => tf.mul(dy, tf.sub(1, tf.square(y)))),
  Relu: ofInput((dy, x) => where(tf.greater(x, 0), dy)),
  Cast: { rule: dy => ({ x: () => tf.cast(dy, 'float32') }) },
  Identity: { rule: dy => ({ x: () => dy }) },
  Select: {
    inputsToSave: ['condition'],
    rule: (dy, [condition]) => ({
      condition: () => tf.zerosLike(condition),
      t: () => where(condition, dy),
      e: () => where(tf.logicalNot(condition), dy),
    }),
  },
}

const SHAPES: Readonly<Record<string, Rule>> = {
  Reshape: { inputsToSave: ['x'], rule: (dy, [x]) => ({ x: () => tf.reshape(dy, x.shape) }) },
  ExpandDims: { inputsToSave: ['input'], rule: (dy, [x]) => ({ input: () => tf.reshape(dy, x.shape) }) },
  Transpose: { rule: (dy, _saved, { perm }) => ({ x: () => tf.transpose(dy, inverse(perm)) }) },
  SplitV: { rule: (dy, _saved, { axis }) => ({ x: () => tf.concat(dy as unknown as T[], axis) }) },
  Concat: {
    saveAllInputs: true,
    rule: (dy, inputs, { axis }) => {
      const along = axesOf(axis, dy.rank)[0]
      const parts = tf.split(
        dy,
        inputs.map(input => input.shape[along]),
        along,
      )
      return parts.map(part => () => part) as unknown as Record<string, () => T>
    },
  },
  Slice: {
    inputsToSave: ['x'],
    rule: (dy, [x], { begin }) => ({
      x: () =>
        tf.pad(
          dy,
          x.shape.map((extent, i) => [begin[i] ?? begin, extent - dy.shape[i] - (begin[i] ?? begin)] as [number, number]),
        ),
    }),
  },
  PadV2: {
    inputsToSave: ['x'],
    rule: (dy, [x], { paddings }) => ({
      x: () =>
        tf.slice(
          dy,
          paddings.map(([before]: [number, number]) => before),
          x.shape,
        ),
    }),
  },
  Tile: {
    inputsToSave: ['x'],
    rule: (dy, [x], { reps }) => ({
      x: () => {
        const interleaved = x.shape.flatMap((extent, axis) => [reps[axis], extent]) // (times, extent, times, extent …)
        return tf.reshape(
          tf.sum(
            tf.reshape(dy, interleaved),
            x.shape.map((_, axis) => 2 * axis),
          ),
          x.shape,
        )
      },
    }),
  },
}

const REDUCTIONS: Readonly<Record<string, Rule>> = {
  Sum: { inputsToSave: ['x'], rule: (dy, [x], { axis }) => ({ x: () => spread(dy, x.shape, axis) }) },
  Mean: { inputsToSave: ['x'], rule: (dy, [x], { axis }) => ({ x: () => tf.div(spread(dy, x.shape, axis), countAlong(x.shape, axis)) }) },
  Max: {
    inputsToSave: ['x'],
    outputsToSave: [true],
    rule: (dy, [x, y], { reductionIndices: axis }) => ({
      x: () => where(tf.equal(x, spread(y, x.shape, axis)), spread(dy, x.shape, axis)),
    }),
  },
  Softmax: {
    outputsToSave: [true],
    rule: (dy, [y], { dim }) => ({
      logits: () => {
        const weighted = tf.mul(dy, y)
        return tf.sub(weighted, tf.mul(tf.sum(weighted, dim, true), y))
      },
    }),
  },
  LogSoftmax: {
    outputsToSave: [true],
    rule: (dy, [y], { axis }) => ({ logits: () => tf.sub(dy, tf.mul(tf.sum(dy, axis, true), tf.exp(y))) }),
  },
  BatchMatMul: matMulRule,
  GatherV2: {
    inputsToSave: ['x', 'indices'],
    rule: (dy, [x, indices], { axis }) => ({
      x: () => {
        if (axis !== 0) throw new Error('Only rows can be gathered in training.')
        const width = x.size / x.shape[0]
        const rows = tf.scatterND(tf.reshape(indices, [-1, 1]), tf.reshape(dy, [-1, width]), [x.shape[0], width])
        return tf.reshape(rows, x.shape)
      },
      indices: () => tf.zerosLike(indices),
    }),
  },
}

const inverse = (order: readonly number[]): number[] => order.map((_, axis) => order.indexOf(axis))

/**
 * Tells tfjs the gradients of the kernels that networks are made of. tfjs-core comes without any,
 * and the module that has them all does not load in Node; a gradient that stands registered already is left alone.
 */
export const registerGradients = (): void => {
  for (const [kernelName, { rule, ...saves }] of Object.entries({ ...ELEMENTWISE, ...SHAPES, ...REDUCTIONS })) {
    if (tf.getGradient(kernelName)) continue
    tf.registerGradient({ kernelName, ...saves, gradFunc: (dy, saved, attrs) => rule(dy as T, saved, attrs) })
  }
}
