import { method } from '../../packages/create-tersor-method/src/kinds/method.js'
import { pass } from '../../packages/create-tersor-method/src/kinds/pass.js'
import type { Kind } from '../../packages/create-tersor-method/src/kinds/kind.js'
import { camel, type Written } from './names.js'

/** What is written for a step: what a package of its own begins with, and a page. */
interface PagedKind extends Pick<Kind, 'source' | 'test'> {
  readonly page: (name: string, from: string) => string
}

const lines = (...text: readonly string[]): string => `${text.join('\n')}\n`
const fence = (...text: readonly string[]): readonly string[] => ['```ts', ...text, '```']
const marks = (name: string): readonly string[] => [`<!-- ${name} -->`, '', `<!-- /${name} -->`, '']

const pagedMethod: PagedKind = {
  ...method,
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

const pagedPass: PagedKind = {
  ...pass,
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

const KINDS = { method: pagedMethod, pass: pagedPass } as const

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
