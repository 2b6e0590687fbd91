import * as tf from '@tensorflow/tfjs-core'
import { createRng, type Model, type Weights } from '@tersor/core'
import { fromFloat32, memoryStore, type Parameter } from '@tersor/tensor'
import { normalTensor } from './values.js'

/** 4.2 million parameters. */
const SIZE = { vocabulary: 2048, width: 256, layers: 4, heads: 8, inner: 683, length: 256 } as const
const { vocabulary, width, layers, heads, inner, length } = SIZE
const head = width / heads

const shapes = (): readonly (readonly [name: string, shape: readonly number[], deviation: number])[] => [
  ['embedding', [vocabulary, width], 0.02],
  ['head', [width, vocabulary], 0.02],
  ['norm', [width], 0],
  ...Array.from({ length: layers }, (_, layer) => [
    ...['query', 'key', 'value', 'output'].map(name => [`${layer}.${name}`, [width, width], 0.06] as const),
    ...['gate', 'up'].map(name => [`${layer}.${name}`, [width, inner], 0.06] as const),
    [`${layer}.down`, [inner, width], 0.04] as const,
    ...['norm1', 'norm2'].map(name => [`${layer}.${name}`, [width], 0] as const),
  ]).flat(),
]

const parameterOf = async (shape: readonly number[], seed: number, deviation: number): Promise<Parameter> => {
  const values = deviation === 0 ? tf.ones([...shape]) : normalTensor(shape, seed, deviation)
  const parameter = fromFloat32(await values.data<'float32'>(), 'f32', shape)
  values.dispose()
  return parameter
}

const rotationTable = (of: (angle: number) => number): tf.Tensor => {
  const half = head / 2
  const angle = (at: number): number => Math.floor(at / half) / 10000 ** ((at % half) / half)
  return tf.tensor(
    Float32Array.from({ length: length * half }, (_, at) => of(angle(at))),
    [length, half],
  )
}

/** RMSNorm, rotary attention and SwiGLU in plain operations, on ids (batch · 256) of `batch` rows; logits (batch · 256, vocabulary). */
const networkOf = (batch: number) => {
  const [cosine, sine] = [rotationTable(Math.cos), rotationTable(Math.sin)]
  const mask = tf.tensor(
    Float32Array.from({ length: length * length }, (_, at) => (at % length > Math.floor(at / length) ? -1e9 : 0)),
    [length, length],
  )
  const rotated = (x: tf.Tensor) => {
    const [a, b] = tf.split(x, 2, -1)
    return tf.concat([tf.sub(tf.mul(a, cosine), tf.mul(b, sine)), tf.add(tf.mul(a, sine), tf.mul(b, cosine))], -1)
  }
  const inHeads = (x: tf.Tensor) => tf.transpose(tf.reshape(x, [batch, length, heads, head]), [0, 2, 1, 3])
  return (input: tf.Tensor, weights: Weights): tf.Tensor => {
    const weight = (name: string): tf.Tensor2D => weights(name) as tf.Tensor2D
    const normalised = (x: tf.Tensor, name: string) =>
      tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-5))), weight(name)) as tf.Tensor2D
    const attention = (x: tf.Tensor2D, layer: number) => {
      const [query, key, value] = ['query', 'key', 'value'].map(name => inHeads(tf.matMul(x, weight(`${layer}.${name}`))))
      const scores = tf.add(tf.mul(tf.matMul(rotated(query), rotated(key), false, true), 1 / Math.sqrt(head)), mask)
      const mixed = tf.transpose(tf.matMul(tf.softmax(scores), value), [0, 2, 1, 3])
      return tf.matMul(tf.reshape(mixed, [batch * length, width]) as tf.Tensor2D, weight(`${layer}.output`))
    }
    const feedForward = (x: tf.Tensor2D, layer: number) => {
      const gate = tf.matMul(x, weight(`${layer}.gate`))
      const gated = tf.mul(tf.mul(gate, tf.sigmoid(gate)), tf.matMul(x, weight(`${layer}.up`))) as tf.Tensor2D
      return tf.matMul(gated, weight(`${layer}.down`))
    }
    let hidden: tf.Tensor = tf.gather(weight('embedding'), input as tf.Tensor1D)
    for (let layer = 0; layer < layers; layer++) {
      hidden = tf.add(hidden, attention(normalised(hidden, `${layer}.norm1`), layer))
      hidden = tf.add(hidden, feedForward(normalised(hidden, `${layer}.norm2`), layer))
    }
    return tf.matMul(normalised(hidden, 'norm'), weight('head'))
  }
}

/** The network as a model of one stage, and its tokens: each is to be told from those before it. */
export const languageModel = async (batch: number) => {
  const parameters = await Promise.all(
    shapes().map(async ([name, shape, deviation], seed) => [name, await parameterOf(shape, seed + 1, deviation)] as const),
  )
  const run = networkOf(batch)
  const model: Model = {
    params: memoryStore(Object.fromEntries(parameters)),
    stages: [{ name: 'network', parameters: parameters.map(([name]) => name), sites: [], run: (x, { weights }) => run(x, weights) }],
  }
  const rng = createRng(99)
  const tokens = Int32Array.from({ length: batch * length + 1 }, () => Math.floor(rng.uniform() * vocabulary))
  const data = () => ({ input: tf.tensor1d(tokens.slice(0, -1), 'int32'), target: tf.tensor1d(tokens.slice(1), 'int32') })
  return { model, data }
}
