import { callText, decode, forward, loadModel, type Method, type Model, type Step } from '@tersor/core'
import { encoded, fromIntegers, sizeOf, type Codec, type Parameter } from '@tersor/tensor'
import * as tf from '@tensorflow/tfjs-core'

/** Every byte of a tree in order, with the names of its parts between them. */
export const bytesOfTree = (parameter: Parameter): string =>
  parameter.kind === 'dense'
    ? parameter.bytes.join()
    : Object.entries(parameter.parts)
        .map(([name, part]) => `${name}{${bytesOfTree(part)}}`)
        .join('')

/** All bytes of a model by the names of its parameters. */
export const bytesOfModel = async (model: Model): Promise<Readonly<Record<string, string>>> => {
  const entries = await Promise.all(model.params.names().map(async name => [name, bytesOfTree(await model.params.read(name))] as const))
  return Object.fromEntries(entries)
}

/** The values that a tree stands for. */
export const valuesOfTree = async (parameter: Parameter): Promise<number[]> => {
  const tensor = decode(parameter)
  const values = [...(await tensor.data<'float32'>())]
  tensor.dispose()
  return values
}

/** The values that a parameter of a model stands for. */
export const valuesOfParameter = async (model: Model, name: string): Promise<number[]> => valuesOfTree(await model.params.read(name))

/** What a model makes of a batch. */
export const outputOf = async (model: Model, batch: tf.Tensor): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const output = tf.tidy(() => forward(model, batch, { weights }))
  dispose()
  const values = Float32Array.from(await output.data<'float32'>())
  output.dispose()
  return values
}

const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))

/** ‖y − ŷ‖ / ‖y‖. */
export const relativeError = (expected: Float32Array, got: Float32Array): number =>
  norm(expected.map((value, i) => value - got[i])) / norm(expected)

const halfMasked: Codec = {
  name: 'masked',
  payload: ['values'],
  aligned: true,
  decode: ({ mask, values }) => tf.mul(tf.cast(mask, 'float32'), values),
}

/** A step that removes every second weight, to stand before or after another. */
export const everySecond: Method = {
  kind: 'method',
  name: 'every-second',
  apply: (_weight, { current }) => {
    const mask = Uint8Array.from({ length: sizeOf(current.shape) }, (_, i) => i % 2)
    return encoded(halfMasked, current.shape, { mask: fromIntegers(mask, 'u1', current.shape), values: current })
  },
}

/** A step as the command line writes it, so that two of one factory are told apart: "rtn(bits=4, group=32)". */
export const titleOf = ({ name, options = {} }: Step): string => callText({ name, options })
