import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fill, foundIn, methodPages, methodsOf, type Found } from '../scripts/method-docs.js'
import { readPackages, ROOT } from './workspace.js'

/** What a method lacks of its page, its test and the line of its docstring that names the source. */
const missingOf = (path: string, { exported, source, description: { name, paper } }: Found): string[] => {
  const page = `docs/${name}.md`
  const test = source.replace(/\.ts$/, '.test.ts')
  const text = readFileSync(join(path, source), 'utf8')
  const checks: readonly (readonly [boolean, string])[] = [
    [source.endsWith(`/${name}.ts`), `${source} called ${name}.ts`],
    [existsSync(join(path, test)), test],
    [
      existsSync(join(path, page)) && readFileSync(join(path, page), 'utf8').startsWith(`# ${exported}\n`),
      `${page} headed "# ${exported}"`,
    ],
    [!paper || text.includes(` * ${paper.authors} ${paper.year}`) || text.includes(`. ${paper.authors} ${paper.year}`), 'its source'],
    [!/^ \* Differs from/m.test(text), `${source} without "Differs from", which stands in \`differs\``],
  ]
  return checks.filter(([there]) => !there).map(([, what]) => `${exported}: ${what}`)
}

/** Words and bars alone: the formatter pads tables. */
const bare = (page: string): string[] => page.split('\n').map(line => line.replace(/-{3,}/g, '---').replace(/\s+/g, ' ').trim())

it('has a page, a test and a citation for each method, pass and observer', async () => {
  const found = await Promise.all(
    readPackages().map(async ({ folder, path }) => (await foundIn(ROOT, folder)).map(each => [path, each] as const)),
  )
  const kinds = new Set(found.flat().map(([, { description }]) => description.kind))
  expect([...kinds].sort()).toEqual([
    'codec',
    'coding',
    'encoding',
    'exchange',
    'method',
    'observer',
    'parametrization',
    'pass',
    'policy',
    'rewrite',
    'solver',
    'storage',
    'swap',
    'term',
    'unit-score',
  ])
  expect(found.flat().flatMap(([path, each]) => missingOf(path, each))).toEqual([])
})

it('has pages that say what the methods say: run `npm run docs`', async () => {
  const pages = await methodPages(ROOT)
  expect(pages.map(({ path }) => path)).toEqual(expect.arrayContaining(['packages/pruning/README.md', 'packages/pruning/docs/wanda.md']))
  const stale = pages.filter(({ text, filled }) => bare(text).join('\n') !== bare(filled).join('\n')).map(({ path }) => path)
  expect([stale, 'Run npm run docs']).toEqual([[], 'Run npm run docs'])
})

it('writes tables with a dash for each column and bars escaped, and says where a page has no place for them', () => {
  const description = { name: 'a', kind: 'pass' as const, summary: 'takes |x|', options: {} }
  expect(methodsOf([{ exported: 'a', source: 'src/a.ts', description }])).toBe(
    '| pass | source | paper | what it does |\n| --- | --- | --- | --- |\n| [`a`](docs/a.md) | [src](src/a.ts) |  | takes \\|x\\| |',
  )
  expect(fill('x\n<!-- options -->old<!-- /options -->\n', 'page.md', 'options', 'new')).toBe(
    'x\n<!-- options -->\n\nnew\n\n<!-- /options -->\n',
  )
  expect(() => fill('x', 'page.md', 'options', 'new')).toThrow(
    'page.md has no place for what is generated.\nAdd the lines <!-- options --> and <!-- /options -->.',
  )
})
