import * as tf from '@tensorflow/tfjs-core'
import { values } from './values.reference.js'

export interface LlamaSize {
  readonly vocabulary: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  readonly inner: number
  readonly length: number
  readonly batch: number
}
export const TINY: LlamaSize = { vocabulary: 50, width: 32, layers: 1, heads: 4, inner: 43, length: 16, batch: 2 }
export const SMALL: LlamaSize = { vocabulary: 2048, width: 256, layers: 4, heads: 8, inner: 683, length: 256, batch: 8 }

function initial(size: LlamaSize): Record<string, [shape: number[], scale: number]> {
  const { vocabulary, width, layers, inner } = size
  const shapes: Record<string, [number[], number]> = { embedding: [[vocabulary, width], 0.04], head: [[width, vocabulary], 0.04] }
  for (let layer = 0; layer < layers; layer++) {
    for (const name of ['q', 'k', 'v', 'o']) shapes[`${layer}.${name}`] = [[width, width], 0.1]
    shapes[`${layer}.gate`] = [[width, inner], 0.1]
    shapes[`${layer}.up`] = [[width, inner], 0.1]
    shapes[`${layer}.down`] = [[inner, width], 0.07]
    shapes[`${layer}.norm1`] = [[width], 0]
    shapes[`${layer}.norm2`] = [[width], 0]
  }
  return { ...shapes, norm: [[width], 0] }
}

function rotaryTables(length: number, half: number) {
  const angle = (index: number) => Math.floor(index / half) / 10000 ** ((index % half) / half)
  const table = (f: (x: number) => number) =>
    tf.tensor(
      Float32Array.from({ length: length * half }, (_, index) => f(angle(index))),
      [length, half],
    )
  return { cos: table(Math.cos), sin: table(Math.sin) }
}

/** A language model of the Llama kind in plain tfjs operations: RMSNorm, rotary attention, SwiGLU, cross entropy. */
export function llama(size: LlamaSize) {
  const { vocabulary, width, layers, heads, length, batch } = size
  const head = width / heads
  const parameters: Record<string, tf.Variable> = {}
  Object.entries(initial(size)).forEach(([name, [shape, scale]], index) => {
    const start = values(tf.util.sizeFromShape(shape), index + 1).map(value => (scale === 0 ? 1 + value / 10 : value * scale))
    parameters[name] = tf.variable(tf.tensor(start, shape))
  })
  const { cos, sin } = rotaryTables(length, head / 2)
  const mask = tf.tensor(
    Float32Array.from({ length: length * length }, (_, index) => (index % length > Math.floor(index / length) ? -1e9 : 0)),
    [length, length],
  )
  const tokens = Int32Array.from(values(batch * length + 1, 99), value => Math.floor(((value + 1) / 2) * (vocabulary - 1)))
  const input = tf.tensor1d(tokens.slice(0, -1), 'int32')
  const target = tf.tensor1d(tokens.slice(1), 'int32')
  const at = (name: string) => parameters[name]
  const norm = (x: tf.Tensor, name: string) => tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-5))), at(name))
  const rotate = (x: tf.Tensor) => {
    const [a, b] = tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor]
    return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(a, sin), tf.mul(b, cos))], -1)
  }
  const split = (x: tf.Tensor) => tf.transpose(tf.reshape(x, [batch, length, heads, head]), [0, 2, 1, 3])
  const attention = (x: tf.Tensor, layer: number) => {
    const [q, k, v] = ['q', 'k', 'v'].map(name => split(tf.matMul(x, at(`${layer}.${name}`)))) as [tf.Tensor, tf.Tensor, tf.Tensor]
    const scores = tf.add(tf.mul(tf.matMul(rotate(q), rotate(k), false, true), 1 / Math.sqrt(head)), mask)
    const mixed = tf.reshape(tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]), [batch * length, width])
    return tf.matMul(mixed, at(`${layer}.o`))
  }
  const feedForward = (x: tf.Tensor, layer: number) => {
    const gate = tf.matMul(x, at(`${layer}.gate`))
    return tf.matMul(tf.mul(tf.mul(gate, tf.sigmoid(gate)), tf.matMul(x, at(`${layer}.up`))), at(`${layer}.down`))
  }
  const logits = () => {
    let hidden = tf.gather(at('embedding'), input)
    for (let layer = 0; layer < layers; layer++) {
      hidden = tf.add(hidden, attention(norm(hidden, `${layer}.norm1`), layer))
      hidden = tf.add(hidden, feedForward(norm(hidden, `${layer}.norm2`), layer))
    }
    return tf.matMul(norm(hidden, 'norm'), at('head'))
  }
  const loss = (): tf.Scalar => {
    const labels = tf.oneHot(target, vocabulary, 1, 0, 'float32')
    return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits()), labels), -1)))
  }
  const dispose = () => tf.dispose([...Object.values(parameters), cos, sin, mask, input, target])
  return { parameters, logits, loss, dispose }
}
