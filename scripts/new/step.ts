import { camel, type Written } from './names.js'

/** What is written for a step, before it does anything of its own: it keeps what it is given, and its test says so. */
interface Kind {
  readonly source: (name: string) => string
  readonly test: (name: string) => string
  readonly page: (name: string, from: string) => string
}

const lines = (...text: readonly string[]): string => `${text.join('\n')}\n`
const fence = (...text: readonly string[]): readonly string[] => ['```ts', ...text, '```']
const marks = (name: string): readonly string[] => [`<!-- ${name} -->`, '', `<!-- /${name} -->`, '']

const method: Kind = {
  source: name =>
    lines(
      "import { defineMethod } from '@tersor/core'",
      '',
      '/**',
      ' * Keeps each weight as it is, until it does something of its own.',
      ' * ŵ = w, W: (out, in). Throws BAD_OPTION.',
      ' */',
      `export const ${camel(name)} = defineMethod({`,
      `  name: '${name}',`,
      "  summary: 'keeps each weight as it is',",
      '  options: {},',
      '  apply: (_weight, { current }) => current,',
      '})',
    ),
  test: name =>
    lines(
      "import '@tensorflow/tfjs-backend-cpu'",
      "import { describeMethod, randomRows, applyMethod, useEngine, valuesOf } from '@tersor/testing'",
      `import { ${camel(name)} } from './${name}.js'`,
      '',
      `describeMethod(() => ${camel(name)}(), { neutral: () => ${camel(name)}(), smaller: false })`,
      '',
      'useEngine()',
      '',
      "it('keeps each weight as it is', async () => {",
      '  const weight = randomRows(3, 4, 1).map(row => row.map(Math.fround))',
      `  expect(await valuesOf(await applyMethod(${camel(name)}(), { weight }))).toEqual(weight)`,
      '})',
      '',
      "it('checks its options when it is made', () => {",
      `  expect(() => ${camel(name)}({ no: 1 } as object)).toThrow('${name} has no option "no".\\nIts options are')`,
      '})',
    ),
  page: (name, from) =>
    lines(
      `# ${camel(name)}`,
      '',
      ...marks('summary'),
      '**Idea.** A method gets one weight as a matrix and gives back how it is stored; this one gives back what stood there.',
      '',
      'ŵ = w',
      '',
      ...fence(
        "import '@tensorflow/tfjs-backend-cpu'",
        `import { ${camel(name)} } from '${from}'`,
        "import { applyMethod, valuesOf } from '@tersor/testing'",
        '',
        `await valuesOf(await applyMethod(${camel(name)}(), { weight: [[1, 2]] })) // => [[1, 2]]`,
      ),
      '',
      ...marks('options'),
      '**Cost.** None. **When not to use it.** Where something should become smaller.',
      '',
      ...marks('reference'),
    ),
}

const pass: Kind = {
  source: name =>
    lines(
      "import { definePass } from '@tersor/core'",
      '',
      '/**',
      ' * Keeps the model as it is, until it does something of its own.',
      ' * ŵ = w, all weights. Throws BAD_OPTION.',
      ' */',
      `export const ${camel(name)} = definePass({`,
      `  name: '${name}',`,
      "  summary: 'keeps the model as it is',",
      '  exact: true,',
      '  options: {},',
      '  run: async model => model,',
      '})',
    ),
  test: name =>
    lines(
      "import '@tensorflow/tfjs-backend-cpu'",
      "import { compress } from '@tersor/core'",
      "import { describeExact, describePass, picoModel } from '@tersor/testing'",
      `import { ${camel(name)} } from './${name}.js'`,
      '',
      `describePass(() => ${camel(name)}())`,
      `describeExact(() => ${camel(name)}())`,
      '',
      "it('keeps the model as it is', async () => {",
      '  const model = picoModel()',
      `  const same = await compress(model, ${camel(name)}())`,
      "  expect(await same.params.read('layers.0.weight')).toEqual(await model.params.read('layers.0.weight'))",
      '})',
    ),
  page: (name, from) =>
    lines(
      `# ${camel(name)}`,
      '',
      ...marks('summary'),
      '**Idea.** A pass gets the whole model and gives back another; this one gives back the same.',
      '',
      ...fence(
        "import '@tensorflow/tfjs-backend-cpu'",
        "import { compress } from '@tersor/core'",
        `import { ${camel(name)} } from '${from}'`,
        "import { picoModel } from '@tersor/testing'",
        '',
        `const same = await compress(picoModel(), ${camel(name)}())`,
        `same.provenance?.map(step => step.method) // => ['${name}']`,
      ),
      '',
      ...marks('options'),
      '**Cost.** None. **When not to use it.** Where something should become smaller.',
      '',
      ...marks('reference'),
    ),
}

const KINDS = { method, pass } as const

/** The files of a new step that are its own alone. */
export const filesOf = (kind: keyof typeof KINDS, folder: string, room: string, name: string): readonly Written[] => {
  const { source, test, page } = KINDS[kind]
  const base = `packages/${folder}`
  return [
    { path: `${base}/src/${room}${name}.ts`, text: source(name) },
    { path: `${base}/src/${room}${name}.test.ts`, text: test(name) },
    { path: `${base}/docs/${name}.md`, text: page(name, `@tersor/${folder}`) },
    {
      path: `.changeset/${folder}-${name}.md`,
      text: lines('---', `'@tersor/${folder}': minor`, '---', '', `A new ${kind}: \`${camel(name)}\`.`),
    },
  ]
}
