import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { configSchema } from './config-schema.js'
import { listMethods } from './methods.js'

it('is what is in the package: npm run schema', async () => {
  const text = await readFile(join(__dirname, '../config.schema.json'), 'utf8')
  expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(configSchema())))
})

it('says text, default and range of each option of each step', () => {
  const { definitions } = configSchema() as any
  const rtn = definitions.step.anyOf.find((each: any) => each.properties?.rtn).properties.rtn
  const { bits } = listMethods().find(({ factory }) => factory.description.name === 'rtn')!.factory.description.options
  expect(rtn.properties.bits).toEqual({
    description: `${bits.doc} (${bits.accepts})`,
    type: 'integer',
    minimum: 1,
    maximum: 8,
    default: bits.default,
  })
  expect(rtn.additionalProperties).toBe(false)
  const names = definitions.step.anyOf.slice(1).map((each: any) => each.required[0])
  expect(names).toEqual(expect.arrayContaining(['gptq', 'wanda', 'hadamard']))
  expect(names).not.toContain('percentile') // a value of an option, no step
})
