import * as tf from '@tensorflow/tfjs-core'
import { siteProduct, type Model, type Site, type Stage } from '@tersor/core'
import { fromFloat32, memoryStore, type Dense, type Parameter } from '@tersor/tensor'

const site = (name: string): Site => ({ name, weight: `${name}.weight`, kind: 'linear', outAxis: 0, inAxis: 1 })

const stage = (name: string, relu: boolean): Stage => ({
  name,
  parameters: [`${name}.weight`, `${name}.bias`],
  sites: [site(name)],
  run: (x, env) =>
    tf.tidy(() => {
      const product = siteProduct(site(name), x, env, (input, weight) => tf.matMul(input, weight, false, true))
      const y = tf.add(product, env.weights(`${name}.bias`))
      return relu ? tf.relu(y) : y
    }),
})

export const matrixOfRows = (rows: readonly (readonly number[])[]): Dense => fromFloat32(rows.flat(), 'f32', [rows.length, rows[0].length])
export const vectorOf = (...values: number[]): Dense => fromFloat32(values, 'f32', [values.length])

/** relu(x · W₁ᵀ + b₁) · W₂ᵀ + b₂, whose channels may be scaled. */
export const biasedModel = (parameters: Readonly<Record<string, Parameter>>): Model => ({
  params: memoryStore(parameters),
  stages: [stage('first', true), stage('second', false)],
  couplings: [
    {
      name: 'first.channels',
      kind: 'channels',
      units: parameters['first.bias'].shape[0],
      members: [
        { parameter: 'first.weight', axis: 0, role: 'writes' },
        { parameter: 'first.bias', axis: 0, role: 'writes' },
        { parameter: 'second.weight', axis: 1, role: 'reads' },
      ],
      homogeneous: true,
    },
  ],
})
