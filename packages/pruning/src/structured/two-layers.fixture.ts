import * as tf from '@tensorflow/tfjs-core'
import { siteProduct, type Coupling, type Model, type Site, type Stage } from '@tersor/core'
import { fromFloat32, memoryStore, toFloat32, type Dense, type ParameterStore } from '@tersor/tensor'

const site = (name: string): Site => ({ name, weight: `${name}.weight`, kind: 'linear', outAxis: 0, inAxis: 1 })

/** y = down · relu(up · x), with biases of zeros behind the second; x: (tokens, in). */
const over = (params: ParameterStore): Model => {
  const layer = (name: string, change: (y: tf.Tensor) => tf.Tensor): Stage => ({
    ...{ name, parameters: [`${name}.weight`, ...(params.names().includes(`${name}.bias`) ? [`${name}.bias`] : [])], sites: [site(name)] },
    run: (x, env) => {
      const isBiased = params.names().includes(`${name}.bias`)
      const after = () => (isBiased ? { shift: env.weights(`${name}.bias`) } : {})
      const y = siteProduct(site(name), x, env, (input, weight) => tf.matMul(input, weight, false, true), after)
      return change(isBiased ? tf.add(y, env.weights(`${name}.bias`)) : y)
    },
  })
  const neurons: Coupling = {
    ...{ name: 'neurons', kind: 'neurons', units: params.info('up.weight').shape[0] },
    members: [
      { parameter: 'up.weight', axis: 0, role: 'writes' },
      { parameter: 'down.weight', axis: 1, role: 'reads' },
    ],
  }
  return {
    ...{ params, stages: [layer('up', y => tf.relu(y)), layer('down', y => y)], couplings: [neurons], with: over },
    remake: () => ({ rename: name => name, over }),
  }
}

type Rows = readonly (readonly number[])[]
const matrix = (rows: Rows): Dense => fromFloat32(rows.flat(), 'f32', [rows.length, rows[0].length])

/** Two linear layers with given rows, whose neurons are the units. */
export const twoLayers = (up: Rows, down: Rows): Model => over(memoryStore({ 'up.weight': matrix(up), 'down.weight': matrix(down) }))

export const rowsOf = async ({ params }: Model, name: string): Promise<Rows> => {
  const parameter = (await params.read(name)) as Dense
  const columns = parameter.shape[1] ?? 1
  const values = [...toFloat32(parameter)]
  return Array.from({ length: parameter.shape[0] }, (_, row) => values.slice(row * columns, (row + 1) * columns))
}
