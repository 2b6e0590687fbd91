/**
 * Jest transform for the pages of this repository: a README runs its own examples and those of the pages in docs/ beside it, in one file,
 * for to load the engines anew takes a page longer than to run it. `npx jest packages/pruning/README.md -t wanda` runs one page.
 */
const { createHash } = require('node:crypto')
const { existsSync, readdirSync, readFileSync } = require('node:fs')
const { dirname, join, relative } = require('node:path')
const markdown = require('../packages/testing/markdown-transform.cjs')

/** The living design quotes code that was never meant to run. */
const NO_EXAMPLES = ['design.md']
const ENGINES = { '@tersor/backend-ort': 'ort', '@tensorflow/tfjs-backend-cpu': 'cpu' }
const ROOT = join(__dirname, '..')

/** The engine that a page imports, which the pages before it may have changed. */
const engineOf = text => Object.entries(ENGINES).find(([name]) => text.includes(`import '${name}'`))?.[1]

const pagesBeside = readme => {
  const docs = join(dirname(readme), 'docs')
  if (!existsSync(docs)) return []
  return readdirSync(docs, { recursive: true })
    .filter(name => name.endsWith('.md') && !NO_EXAMPLES.includes(name))
    .map(name => join(docs, name))
    .sort()
}

const use = text => {
  const engine = engineOf(text)
  return engine ? `globalThis.beforeAll(() => require('@tensorflow/tfjs-core').setBackend('${engine}'))` : ''
}

const blockOf = page =>
  `globalThis.describe(${JSON.stringify(relative(ROOT, page))}, () => {
    ${use(readFileSync(page, 'utf8'))}
    require(${JSON.stringify(page)})
  })`

/** Tests of a page, and of those in docs/ behind a README. */
const sourceOf = (text, filename) => {
  const own = markdown.testsOf(text)
  return filename.endsWith('README.md') ? [own, use(text), ...pagesBeside(filename).map(blockOf)].join('\n') : own
}

exports.process = (text, filename) => markdown.compile(sourceOf(text, filename), filename)

/** A README is made anew when a page comes, goes or takes another engine. */
exports.getCacheKey = (text, filename) =>
  [sourceOf(text, filename), __filename, require.resolve('../packages/testing/markdown-transform.cjs')]
    .reduce((hash, part, i) => hash.update(i === 0 ? part : readFileSync(part)), createHash('sha1'))
    .digest('hex')
