import { camel } from '../names.js'
import type { Kind } from './kind.js'

/** Layers that must be seen together. */
export const pass: Kind = {
  about: 'layers that must be seen together',
  packages: ['@tersor/core'],
  testPackages: [],
  source: name => `import { definePass } from '@tersor/core'

/**
 * Keeps the model as it is, until it does something of its own.
 * ŵ = w, all weights. Throws BAD_OPTION.
 */
export const ${camel(name)} = definePass({
  name: '${name}',
  summary: 'keeps the model as it is',
  exact: true,
  options: {},
  run: async model => model,
})
`,
  test: name => `import '@tensorflow/tfjs-backend-cpu'
import { compress } from '@tersor/core'
import { describeExact, describePass, picoModel } from '@tersor/testing'
import { ${camel(name)} } from './${name}.js'

describePass(() => ${camel(name)}())
describeExact(() => ${camel(name)}())

it('keeps the model as it is', async () => {
  const model = picoModel()
  const same = await compress(model, ${camel(name)}())
  expect(await same.params.read('layers.0.weight')).toEqual(await model.params.read('layers.0.weight'))
})
`,
}
