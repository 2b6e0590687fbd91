import * as tf from '@tensorflow/tfjs-core'
import { boolean, definePass, readDense, walkStages, type Channels, type Context, type Model, type Rng } from '@tersor/core'
import { rotateColumns, type HadamardMatrix } from '@tersor/kernels'
import { CompressionError, fromFloat32, toFloat32, type Dense } from '@tersor/tensor'
import { refuseActivationGrids } from './activation-grids.js'
import { randomHadamard } from './hadamard-matrix.js'
import { scaleChannels } from './scale-channels.js'

/** What is done to one parameter. */
type Change = (parameter: Dense) => Dense | Promise<Dense>
type Plan = Map<string, Change[]>

const plan = (changes: Plan, name: string, change: Change): void => void changes.set(name, [...(changes.get(name) ?? []), change])

/** The values of a tensor that is made in a tidy. */
const valuesOf = async (make: () => tf.Tensor): Promise<Float32Array> => {
  const tensor = tf.tidy(make)
  try {
    return await tensor.data<'float32'>()
  } finally {
    tensor.dispose()
  }
}

/** Multiplies each run of as many channels as the rotation has by it from the right. */
const rotateChannels = async (parameter: Dense, { axis, start = 0, count }: Channels, rotation: HadamardMatrix): Promise<Dense> => {
  const { shape } = parameter
  const last = [...shape.keys()].filter(each => each !== axis).concat(axis)
  const moved = last.map(each => shape[each]) // (…, channels)
  const rows = await valuesOf(() => tf.transpose(tf.tensor(toFloat32(parameter), [...shape]), last))
  const turned = await rotateColumns(rows, shape[axis], { start, count }, rotation)
  const back = [...shape.keys()].map(each => last.indexOf(each))
  return fromFloat32(await valuesOf(() => tf.transpose(tf.tensor(turned, moved), back)), 'f32', shape)
}

const signsOf = (rng: Rng) => (): 1 | -1 => (rng.uniform() < 0.5 ? 1 : -1)

/** Puts the norms' weights into their readers, then turns the stream. */
const planResidual = async (model: Model, changes: Plan, { rng, signal }: Context): Promise<void> => {
  if (!model.residual) return
  const { size, writers, norms } = model.residual
  const rotation = randomHadamard(size, signsOf(rng.fork('residual')))
  for (const { weight, readers } of norms) {
    const { offset = 0, parameter } = weight
    const values = toFloat32(await readDense('hadamard', model.params, parameter, signal))
    plan(changes, parameter, dense => scaleChannels(dense, weight, channel => 1 / (values[channel] + offset)))
    for (const reader of readers)
      plan(changes, reader.parameter, dense => scaleChannels(dense, reader, channel => values[channel] + offset))
  }
  for (const channels of [...writers, ...norms.flatMap(({ readers }) => readers)])
    plan(changes, channels.parameter, dense => rotateChannels(dense, channels, rotation))
}

/** Turns the vectors of each head. */
const planHeads = ({ stages }: Model, changes: Plan, { rng }: Context): void => {
  for (const stage of stages) {
    for (const [index, { size, from, to }] of (stage.rotations ?? []).entries()) {
      const rotation = randomHadamard(size, signsOf(rng.fork(`${stage.name}:${index}`)))
      for (const channels of [...from, ...to]) plan(changes, channels.parameter, dense => rotateChannels(dense, channels, rotation))
    }
  }
}

/** Changes every parameter that the plan names; a tied head becomes a parameter of its own. */
const write = async (model: Model, changes: Plan, context: Context, untie: boolean): Promise<Model> => {
  const untied = untie ? model.residual?.untied : undefined
  const changed = async (name: string, parameter: Dense): Promise<Dense> => {
    let current = parameter
    for (const change of changes.get(name) ?? []) current = await change(current)
    return current
  }
  const walked = await walkStages(model, context, { pass: 'hadamard', others: true }, async ({ stage, owned, dense, replace }) => {
    for (const name of owned) {
      context.signal.throwIfAborted()
      if (changes.has(name)) replace(name, await changed(name, await dense(name)))
    }
    if (untied && stage.sites.some(({ head }) => head))
      replace(untied.head, await changed(untied.head, await readDense('hadamard', model.params, untied.embedding, context.signal)))
  })
  return untied && model.with ? model.with(walked.params) : walked
}

/**
 * Hadamard rotation: turns the residual stream and the values of each head so that no channel stands out; rounds nothing.
 * x' = x · Q, W_in' = W_in · diag(norm) · Q, W_out' = Qᵀ · W_out, Q = diag(±1) · H / √n with signs from the seed; norms keep weights of 1.
 * W: (out, in). Throws BAD_OPTION, COMPOSITION, UNSUPPORTED. Ashkboos et al. 2024, https://arxiv.org/abs/2404.00456
 */
export const hadamard = definePass({
  name: 'hadamard',
  summary: 'turns the residual stream and the values of each head so that no channel stands out; rounds nothing',
  paper: {
    title: 'QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs',
    authors: 'Ashkboos et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2404.00456',
  },
  differs:
    'only rotations that vanish into weights are made (R1 and R2 in later work); those that run with the network, before the down projection, across heads, and on queries and keys, have no place in a stage; embeddings keep their mean',
  exact: true,
  options: {
    residual: boolean({ default: true, doc: 'whether the stream between blocks is turned' }),
    heads: boolean({ default: true, doc: 'whether the values of each head are turned' }),
  },
  check: ({ residual, heads }) =>
    residual || heads ? undefined : ['with neither residual nor heads it does nothing.', 'Leave one of them true.'],
  run: async (model, context, { residual, heads }) => {
    refuseActivationGrids('hadamard', model)
    const changes: Plan = new Map()
    if (residual) await planResidual(model, changes, context)
    if (heads) planHeads(model, changes, context)
    if (residual && !model.residual && changes.size > 0)
      context.emit({
        type: 'warning',
        pass: 'hadamard',
        message: 'the stream between blocks of this network cannot be turned (its norms subtract a mean); only values of heads are',
      })
    if (changes.size > 0) return write(model, changes, context, residual)
    throw new CompressionError(
      'UNSUPPORTED',
      'hadamard finds nothing in this model that can be turned.',
      'Use a network of @tersor/models, or give the model `residual` and its stages `rotations`.',
    )
  },
})
