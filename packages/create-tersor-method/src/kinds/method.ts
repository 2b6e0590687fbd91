import { camel } from '../names.js'
import type { Kind } from './kind.js'

/** One weight, looked at by itself or with its inputs. */
export const method: Kind = {
  about: 'one weight, looked at by itself or with its inputs',
  packages: ['@tersor/core'],
  testPackages: [],
  source: name => `import { defineMethod } from '@tersor/core'

/**
 * Keeps each weight as it is, until it does something of its own.
 * ŵ = w, W: (out, in). Throws BAD_OPTION.
 */
export const ${camel(name)} = defineMethod({
  name: '${name}',
  summary: 'keeps each weight as it is',
  options: {},
  apply: (_weight, { current }) => current,
})
`,
  test: name => `import '@tensorflow/tfjs-backend-cpu'
import { describeMethod, randomRows, applyMethod, useEngine, valuesOf } from '@tersor/testing'
import { ${camel(name)} } from './${name}.js'

describeMethod(() => ${camel(name)}(), { neutral: () => ${camel(name)}(), smaller: false })

useEngine()

it('keeps each weight as it is', async () => {
  const weight = randomRows(3, 4, 1).map(row => row.map(Math.fround))
  expect(await valuesOf(await applyMethod(${camel(name)}(), { weight }))).toEqual(weight)
})

it('checks its options when it is made', () => {
  expect(() => ${camel(name)}({ no: 1 } as object)).toThrow('${name} has no option "no".\\nIts options are')
})
`,
}
