import * as tf from '@tensorflow/tfjs-core'
import { fromFloat32, toFloat32, type Dense } from '@tersor/tensor'
import type { Channels, Model } from '../model/model.js'
import { scaleChannels } from '../model/scale-channels.js'
import type { Context } from '../step/method.js'
import { readDense, walkStages } from './walk.js'

/** Multiplies a run of so many columns of each row from the right by an orthogonal matrix; rows: (rows · width). */
export type RotateRows = (
  rows: Float32Array,
  width: number,
  run: { readonly start: number; readonly count: number },
) => Promise<Float32Array>

/** What is done to each parameter, in order. */
export type RotationPlan = Map<string, ((parameter: Dense) => Dense | Promise<Dense>)[]>

const plan = (changes: RotationPlan, name: string, change: (parameter: Dense) => Dense | Promise<Dense>): void =>
  void changes.set(name, [...(changes.get(name) ?? []), change])

/** The values of a tensor that is made in a tidy. */
const valuesOf = async (make: () => tf.Tensor): Promise<Float32Array> => {
  const tensor = tf.tidy(make)
  try {
    return await tensor.data<'float32'>()
  } finally {
    tensor.dispose()
  }
}

const rotateChannels = async (parameter: Dense, { axis, start = 0, count }: Channels, rotate: RotateRows): Promise<Dense> => {
  const { shape } = parameter
  const last = [...shape.keys()].filter(each => each !== axis).concat(axis)
  const moved = last.map(each => shape[each]) // (…, channels)
  const rows = await valuesOf(() => tf.transpose(tf.tensor(toFloat32(parameter), [...shape]), last))
  const rotated = await rotate(rows, shape[axis], { start, count })
  const back = [...shape.keys()].map(each => last.indexOf(each))
  return fromFloat32(await valuesOf(() => tf.transpose(tf.tensor(rotated, moved), back)), 'f32', shape)
}

/** Weights of a norm that multiplies by 1. */
const onesAt = (norm: Dense, { start = 0, count, offset = 0 }: Channels): Dense =>
  fromFloat32(toFloat32(norm).fill(1 - offset, start, start + count), 'f32', norm.shape)

/** Plans that runs of channels are rotated wherever they are made and read. */
export const planRotation = (changes: RotationPlan, channels: readonly Channels[], rotate: RotateRows): void => {
  for (const each of channels) plan(changes, each.parameter, dense => rotateChannels(dense, each, rotate))
}

/** Plans that the stream between blocks is rotated: the norms' weights go into their readers first. Nothing for a network whose stream cannot be. */
export const planResidual = async (
  { residual, params }: Model,
  changes: RotationPlan,
  { pass, signal }: { readonly pass: string; readonly signal: AbortSignal },
  rotate: RotateRows,
): Promise<void> => {
  if (!residual) return
  const { writers, norms } = residual
  for (const { weight, readers } of norms) {
    const { offset = 0, parameter } = weight
    const values = toFloat32(await readDense(pass, params, parameter, signal))
    plan(changes, parameter, dense => onesAt(dense, weight))
    for (const reader of readers)
      plan(changes, reader.parameter, dense => scaleChannels(dense, reader, channel => values[channel] + offset))
  }
  planRotation(changes, [...writers, ...norms.flatMap(({ readers }) => readers)], rotate)
}

/** Changes every parameter that the plan names; a tied head becomes a parameter of its own where it is to be untied. */
export const applyRotation = async (
  model: Model,
  changes: RotationPlan,
  context: Context,
  { pass, untie }: { readonly pass: string; readonly untie: boolean },
): Promise<Model> => {
  const untied = untie ? model.residual?.untied : undefined
  const changed = async (name: string, parameter: Dense): Promise<Dense> => {
    let current = parameter
    for (const change of changes.get(name) ?? []) current = await change(current)
    return current
  }
  const walked = await walkStages(model, context, { pass, others: true }, async ({ stage, owned, dense, replace }) => {
    for (const name of owned) {
      context.signal.throwIfAborted()
      if (changes.has(name)) replace(name, await changed(name, await dense(name)))
    }
    if (untied && stage.sites.some(({ head }) => head))
      replace(untied.head, await changed(untied.head, await readDense(pass, model.params, untied.embedding, context.signal)))
  })
  return untied && model.with ? model.with(walked.params) : walked
}
