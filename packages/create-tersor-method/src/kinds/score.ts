import { camel } from '../names.js'
import type { Kind } from './kind.js'

/** A number for each weight that says how much it matters. */
export const score: Kind = {
  about: 'a number for each weight that says how much it matters: the largest stay',
  packages: ['@tersor/pruning'],
  testPackages: [],
  source: name => `import * as tf from '@tensorflow/tfjs-core'
import { defineScore } from '@tersor/pruning'

/**
 * Keeps the weights of the largest magnitude in each row, until it scores in a way of its own.
 * score = |W|, W: (out, in). Throws BAD_OPTION.
 */
export const ${camel(name)} = defineScore({
  name: '${name}',
  summary: 'keeps the largest weights of each row',
  within: 'row',
  score: weight => tf.abs(weight),
})
`,
  test: name => `import '@tensorflow/tfjs-backend-cpu'
import { describeMethod, applyMethod, useEngine, valuesOf } from '@tersor/testing'
import { ${camel(name)} } from './${name}.js'

describeMethod(() => ${camel(name)}({ sparsity: 0.5 }), { neutral: () => ${camel(name)}({ sparsity: 0 }), smaller: false })

useEngine()

it('keeps the larger half of each row', async () => {
  const weight = [
    [1, -4, 3, 2],
    [-8, 5, 6, -7],
  ]
  expect(await valuesOf(await applyMethod(${camel(name)}({ sparsity: 0.5 }), { weight }))).toEqual([
    [0, -4, 3, 0],
    [-8, 0, 0, -7],
  ])
})
`,
}
