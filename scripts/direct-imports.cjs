/**
 * Jest transform of this repository's TypeScript: what a file imports from a package by its name, it loads from the file that defines it.
 * Jest evaluates each module anew for each test file, and the index of a package is all of it: two thirds of what the tests loaded was
 * never used. Indexes themselves are run by the pages (pages-transform.cjs) and by the packed packages.
 */
const { createHash } = require('node:crypto')
const { existsSync, readdirSync, readFileSync } = require('node:fs')
const { dirname, join } = require('node:path')
const swc = require('@swc/jest')

const PACKAGES = join(__dirname, '../packages')
const DECLARED = /^export (?:async )?(?:const|let|function\*?|class|enum) (\w+)/gm
const LISTED = /^export \{([^}]*)\}(?: from '(\.[^']*)')?/gm
const ALL = /^export \* from '(\.[^']*)'/gm

/** "a as b" as [a, b]; nothing of types. */
const namesIn = list =>
  list
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '' && !part.startsWith('type '))
    .map(part => part.split(/\s+as\s+/))
    .map(([name, given = name]) => [name, given])

const fileAt = (from, path) => join(dirname(from), path.replace(/\.js$/, '.ts'))

/** What a file exports: the file that defines each name, and its name there. */
const exportsOf = (file, seen = new Map()) => {
  if (seen.has(file)) return seen.get(file)
  const found = new Map()
  seen.set(file, found)
  const text = readFileSync(file, 'utf8')
  for (const [, name] of text.matchAll(DECLARED)) found.set(name, { file, name })
  for (const [, list, path] of text.matchAll(LISTED))
    for (const [name, given] of namesIn(list)) {
      const there = path === undefined ? undefined : exportsOf(fileAt(file, path), seen).get(name)
      found.set(given, there ?? { file, name: given })
    }
  for (const [, path] of text.matchAll(ALL))
    for (const [name, place] of exportsOf(fileAt(file, path), seen)) if (!found.has(name)) found.set(name, place)
  return found
}

const indexOf = folder => join(PACKAGES, folder, 'src/index.ts')
/** An index that does something itself, such as registering an engine, has to be loaded. */
const onlyExports = file => existsSync(file) && !/^import (?!type)/m.test(readFileSync(file, 'utf8'))
const PLACES = new Map(
  readdirSync(PACKAGES)
    .filter(folder => onlyExports(indexOf(folder)))
    .map(folder => [JSON.parse(readFileSync(join(PACKAGES, folder, 'package.json'), 'utf8')).name, exportsOf(indexOf(folder))]),
)
const HASH = createHash('sha1')
  .update(JSON.stringify([...PLACES].map(([name, places]) => [name, ...places])))
  .update(readFileSync(__filename))
  .digest('hex')

const FROM_PACKAGE = /^(import|export) \{([^}]*)\} from '(@?[\w/-]+)';?$/gm

/** The same declaration by files, on as many lines. */
const direct = (whole, word, list, from) => {
  const places = PLACES.get(from)
  if (!places) return whole
  const files = new Map()
  for (const [name, given] of namesIn(list)) {
    const place = places.get(name)
    if (!place) return whole
    files.set(place.file, [...(files.get(place.file) ?? []), place.name === given ? given : `${place.name} as ${given}`])
  }
  const lines = [...files].map(([file, names]) => `${word} { ${names.join(', ')} } from '${file}'`)
  return lines.join('; ') + '\n'.repeat(whole.split('\n').length - 1)
}

/** The first line that imports nothing: what looks like an import behind it is the text of a program that a test writes. */
const FIRST_OTHER_LINE = /^(?!import\b|export (?:type )?[{*]|\}|\/[*/]| |$)/m

const rewritten = text => {
  const end = text.search(FIRST_OTHER_LINE)
  const head = end < 0 ? text : text.slice(0, end)
  return head.replace(FROM_PACKAGE, direct) + text.slice(head.length)
}

exports.createTransformer = options => {
  const inner = swc.createTransformer(options)
  return {
    ...inner,
    process: (text, file, ...rest) => inner.process(rewritten(text), file, ...rest),
    getCacheKey: (text, file, ...rest) => HASH + inner.getCacheKey(text, file, ...rest),
  }
}
