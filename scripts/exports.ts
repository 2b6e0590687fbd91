/**
 * `npm run exports`: writes the doors of every package into its package.json: one for each file that its index exports, those named here, and
 * `internal/` for siblings, which promises nothing.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Doors that the index of a package leaves out, since it would load too much or is of use to few. */
const MORE: Readonly<Record<string, readonly string[]>> = {
  '@tersor/formats': ['reading'],
  '@tersor/kernels': ['blocks', 'least-squares', 'multiple-choice-knapsack', 'thin-products', 'vectors'],
  '@tersor/gradients': [
    'channels',
    'mpi',
    'processes',
    'shared-rings',
    'sockets',
    'tabs',
    'threads',
    'web-socket-relay',
    'web-sockets',
  ].map(name => `collective/${name}`),
  '@tersor/models': ['opening/formats', 'opening/reading', 'imported/graph-model'],
  '@tersor/onnx': ['file', 'model', 'decoder', 'encoder', 'format', 'reading'],
}
/** Packages that are entered by one door, or write their own. */
const LEFT_ALONE = ['tersor', '@tersor/testing', 'create-tersor-method']

const doorTo = (path: string) => ({ '@tersor/source': `./src/${path}.ts`, types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` })

/** What the exports of a package should be, by the text of its index. */
export const exportsOf = (index: string, name: string): Readonly<Record<string, unknown>> => {
  const files = [...index.matchAll(/from '\.\/(.+)\.js'/g)].map(([, path]) => path)
  const doors = [...new Set([...files, ...(MORE[name] ?? [])])].sort((a, b) => (basename(a) < basename(b) ? -1 : 1))
  const named = doors.map(path => [`./${basename(path)}`, doorTo(path)])
  return { '.': doorTo('index'), ...Object.fromEntries(named), './internal/*': doorTo('*'), './package.json': './package.json' }
}

/** Each package that has doors of this kind. */
export const packagesWithDoors = (): readonly {
  readonly folder: string
  readonly json: Record<string, unknown>
  readonly index: string
}[] =>
  readdirSync(join(ROOT, 'packages'))
    .map(name => join(ROOT, 'packages', name))
    .filter(folder => existsSync(join(folder, 'package.json')))
    .map(folder => ({
      folder,
      json: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>,
      index: readFileSync(join(folder, 'src/index.ts'), 'utf8'),
    }))
    .filter(({ json }) => !LEFT_ALONE.includes(json.name as string))

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const { folder, json, index } of packagesWithDoors()) {
    const next = { ...json, exports: exportsOf(index, json.name as string) }
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(next, null, 2)}\n`)
  }
