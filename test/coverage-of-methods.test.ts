import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Description } from '@tersor/core'
import { readPackages, type Package } from './workspace.js'

interface Covered {
  readonly name: string
  /** As it is imported. */
  readonly exported: string
  readonly each: Package
}

/** Packages in which a method or a pass is declared, so that a new package needs no line here. */
const declaring = readPackages().filter(({ sources }) =>
  sources.some(file => /^export const \w+ = define(Method|Pass|Score)\(/m.test(readFileSync(file, 'utf8'))),
)

const isFactory = (value: unknown): value is { readonly description: Description } =>
  typeof value === 'function' && typeof (value as { description?: Partial<Description> }).description?.name === 'string'

const methodsOf = async (each: Package): Promise<Covered[]> => {
  const exports = (await import(each.manifest.name)) as Readonly<Record<string, unknown>>
  return Object.entries(exports).flatMap(([exported, value]) =>
    isFactory(value) ? [{ name: value.description.name, exported, each }] : [],
  )
}

/** What a method lacks of its page, its row and its test. */
const missingOf = ({ name, exported, each: { path, folder } }: Covered): string[] => {
  const page = `docs/${name}.md`
  const source = `src/${name}.ts`
  const readme = existsSync(join(path, 'README.md')) ? readFileSync(join(path, 'README.md'), 'utf8') : ''
  const row = readme.split('\n').find(line => line.startsWith(`| [\`${exported}\`](${page})`))
  const checks: readonly (readonly [boolean, string])[] = [
    [existsSync(join(path, source)), source],
    [existsSync(join(path, `src/${name}.test.ts`)), `src/${name}.test.ts`],
    [
      existsSync(join(path, page)) && readFileSync(join(path, page), 'utf8').startsWith(`# ${exported}\n`),
      `${page} headed "# ${exported}"`,
    ],
    [row !== undefined && row.includes(`](${source})`), `a row of README.md that begins | [\`${exported}\`](${page}) and links ${source}`],
  ]
  return checks.filter(([there]) => !there).map(([, what]) => `packages/${folder}: ${what}`)
}

it('finds the packages that declare methods', () => {
  expect(declaring.map(each => each.folder)).toEqual(expect.arrayContaining(['core', 'low-rank', 'models', 'pruning', 'quantization']))
})

it.each(declaring.map(each => [each.manifest.name, each] as const))('%s has a page, a row and a test for each method', async (_, each) => {
  const methods = await methodsOf(each)
  expect(methods.length).toBeGreaterThan(0)
  expect(methods.flatMap(missingOf)).toEqual([])
})
