import { argumentText, type Description, type OptionTable } from '@tersor/core'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A method, a pass or an observer as it is found in the sources of a package. */
export interface Found {
  /** As it is imported. */
  readonly exported: string
  readonly description: Description
  /** Below the package, such as "src/wanda.ts". */
  readonly source: string
}

/** A page, and what it should be. */
export interface Page {
  readonly path: string
  readonly text: string
  readonly filled: string
}

const DECLARES = /^export const \w+ = define[A-Z]\w*\(/m
const EXPORT_LINE = /^export .* from '\.\/(.+)\.js'/gm

const isDescribed = (value: unknown): value is { readonly description: Description } =>
  typeof value === 'function' && typeof (value as { description?: Partial<Description> }).description?.name === 'string'

/** What a package declares, in the order of its index. */
export const foundIn = async (root: string, folder: string): Promise<readonly Found[]> => {
  const base = join(root, 'packages', folder)
  const read = (path: string): string => readFileSync(join(base, path), 'utf8')
  const files = [...read('src/index.ts').matchAll(EXPORT_LINE)].map(([, file]) => `src/${file}.ts`)
  const declaring = files.filter(file => existsSync(join(base, file)) && DECLARES.test(read(file)))
  const modules = declaring.map(async source => {
    const exports = (await import(join(base, source))) as Readonly<Record<string, unknown>>
    return Object.entries(exports).flatMap(([exported, value]) =>
      isDescribed(value) ? [{ exported, description: value.description, source }] : [],
    )
  })
  return (await Promise.all(modules)).flat()
}

/** A cell of a table: a bar would end it. */
const cell = (text: string): string => text.replaceAll('|', '\\|')
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n')
const sentence = (text: string): string => `${text[0].toUpperCase()}${text.slice(1)}.`

const defaultOf = ({ default: value, required }: OptionTable[string]): string => {
  if (value === undefined) return required ? 'required' : ''
  if (typeof value === 'object') return `\`${argumentText(value)}\``
  return typeof value === 'string' ? `\`${value}\`` : String(value)
}

const optionsOf = (options: OptionTable): string => {
  const rows = Object.entries(options).map(([name, option]) => [`\`${name}\``, cell(option.accepts), cell(option.doc), defaultOf(option)])
  return rows.length === 0 ? 'It has no options.' : table(['option', 'takes', 'is', 'default'], rows)
}

const referenceOf = ({ paper, differs }: Description): string =>
  [
    ...(paper
      ? [`**Reference.** ${paper.authors} ${paper.year}, [${paper.title}](${paper.url})${paper.section ? `, ${paper.section}` : ''}.`]
      : []),
    ...(differs === undefined ? [] : [`**Differs from the paper:** ${differs}.`]),
  ].join('\n')

/** One table for each kind: methods, passes, and then what options hold, such as observers. */
export const methodsOf = (found: readonly Found[]): string => {
  const kinds = [...new Set(['method', 'pass', ...found.map(({ description }) => description.kind)])]
  const rows = (kind: Description['kind']): readonly string[][] =>
    found
      .filter(({ description }) => description.kind === kind)
      .map(({ exported, source, description: { name, paper, summary } }) => [
        `[\`${exported}\`](docs/${name}.md)`,
        `[src](${source})`,
        paper ? `[${paper.authors} ${paper.year}](${paper.url})` : '',
        cell(summary),
      ])
  return kinds
    .filter(kind => rows(kind).length > 0)
    .map(kind => table([kind, 'source', 'paper', 'what it does'], rows(kind)))
    .join('\n\n')
}

/** Puts a text between the marks of its name, `<!-- options -->` and `<!-- /options -->`. */
export const fill = (page: string, path: string, mark: string, text: string): string => {
  const [start, end] = [`<!-- ${mark} -->`, `<!-- /${mark} -->`]
  const [from, to] = [page.indexOf(start), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${path} has no place for what is generated.\nAdd the lines ${start} and ${end}.`)
  return `${page.slice(0, from + start.length)}\n\n${text === '' ? '' : `${text}\n\n`}${page.slice(to)}`
}

const pageOf = (root: string, folder: string, { description }: Found): readonly Page[] => {
  const path = join('packages', folder, 'docs', `${description.name}.md`)
  if (!existsSync(join(root, path))) return [] // the coverage test asks for it
  const text = readFileSync(join(root, path), 'utf8')
  const texts = { summary: sentence(description.summary), options: optionsOf(description.options), reference: referenceOf(description) }
  const filled = Object.entries(texts)
    .filter(([mark, each]) => each !== '' || text.includes(`<!-- ${mark} -->`))
    .reduce((page, [mark, each]) => fill(page, path, mark, each), text)
  return [{ path, text, filled }]
}

/** Every page with generated parts: the README of each package that declares something, and one page a method. */
export const methodPages = async (root: string): Promise<readonly Page[]> => {
  const pages: Page[] = []
  for (const folder of readdirSync(join(root, 'packages'))) {
    const found = await foundIn(root, folder)
    if (found.length === 0) continue
    const path = join('packages', folder, 'README.md')
    const text = readFileSync(join(root, path), 'utf8')
    pages.push({ path, text, filled: fill(text, path, 'methods', methodsOf(found)) }, ...found.flatMap(each => pageOf(root, folder, each)))
  }
  return pages
}
