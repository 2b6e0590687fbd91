import { exportsOf } from '../exports.js'
import { camel, type Written } from './names.js'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly [field: string]: unknown
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** The manifest of a family: that of another one under a new name. */
const manifestOf = (like: Manifest, name: string): Manifest => ({
  ...like,
  name: `@tersor/${name}`,
  description: `${name[0].toUpperCase()}${name.slice(1)} for Tersor.`,
  repository: { ...(like.repository as object), directory: `packages/${name}` },
  dependencies: {},
  exports: exportsOf('export {}', `@tersor/${name}`),
})

/** What the lock file holds of a package of the workspace. */
const lockOf = (manifest: Manifest): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    ['name', 'version', 'license', 'dependencies', 'devDependencies', 'engines', 'peerDependencies', 'peerDependenciesMeta'].flatMap(
      field => {
        const value = manifest[field]
        const isEmpty = value === undefined || (typeof value === 'object' && Object.keys(value as object).length === 0)
        return isEmpty ? [] : [[field, value]]
      },
    ),
  )

const readmeOf = (name: string): string =>
  [
    `# @tersor/${name}`,
    '',
    `Methods and passes of one family. \`npm run new method ${name}/<name>\` makes the first.`,
    '',
    '<!-- methods -->',
    '',
    '<!-- /methods -->',
    '',
  ].join('\n')

/** A new family, without a method yet, and the lines by which the command line knows it. `read` gives the text of a file that is there. */
export const packageOf = (name: string, read: (path: string) => string): readonly Written[] => {
  const manifest = manifestOf(JSON.parse(read('packages/pruning/package.json')) as Manifest, name)
  const base = `packages/${name}`
  const program = JSON.parse(read('packages/tersor/package.json')) as Manifest
  const dependencies = { ...(program.dependencies as object), [manifest.name]: `^${manifest.version}` }
  const withFamily = { ...program, dependencies: Object.fromEntries(Object.entries(dependencies).sort(([a], [b]) => (a < b ? -1 : 1))) }
  return [
    { path: `${base}/package.json`, text: json(manifest) },
    { path: `${base}/tsconfig.json`, text: read('packages/pruning/tsconfig.json') },
    { path: `${base}/LICENSE`, text: read('packages/pruning/LICENSE') },
    { path: `${base}/README.md`, text: readmeOf(name) },
    { path: `${base}/src/index.ts`, text: 'export {}\n' },
    { path: `.changeset/${name}.md`, text: `---\n'${manifest.name}': minor\n---\n\nA new family: ${name}.\n` },
    { path: 'packages/tersor/package.json', text: json(withFamily) },
    { path: 'packages/tersor/src/methods.ts', text: withImport(read('packages/tersor/src/methods.ts'), name) },
    { path: 'package-lock.json', text: json(withLock(JSON.parse(read('package-lock.json')) as Lock, [manifest, withFamily])) },
  ]
}

/** The table of families of the command line with one more. */
const withImport = (text: string, name: string): string =>
  `import * as ${camel(name)} from '@tersor/${name}'\n${text.replace(/(const PACKAGES: [^\n]+\n)/, `$1  '@tersor/${name}': ${camel(name)},\n`)}`

interface Lock {
  readonly packages: Readonly<Record<string, unknown>>
  readonly [field: string]: unknown
}

const folderOf = ({ name }: Manifest): string => `packages/${name.replace('@tersor/', '')}`

/** The lock file as `npm install` would write it, without asking the network: packages of the workspace are links. */
const withLock = (lock: Lock, manifests: readonly Manifest[]): Lock => {
  const entries = manifests.flatMap(manifest => [
    [folderOf(manifest), lockOf(manifest)] as const,
    [`node_modules/${manifest.name}`, { resolved: folderOf(manifest), link: true }] as const,
  ])
  return { ...lock, packages: { ...lock.packages, ...Object.fromEntries(entries) } }
}

/** A manifest that depends on core, and the lock file with it; nothing where it does already. */
export const withCore = (folder: string, read: (path: string) => string): readonly Written[] => {
  const path = `packages/${folder}/package.json`
  const manifest = JSON.parse(read(path)) as Manifest
  const dependencies = (manifest.dependencies ?? {}) as Readonly<Record<string, string>>
  if (manifest.name === '@tersor/core' || '@tersor/core' in dependencies) return []
  const now = { ...manifest, dependencies: { '@tersor/core': `^${manifest.version}`, ...dependencies } }
  return [
    { path, text: json(now) },
    { path: 'package-lock.json', text: json(withLock(JSON.parse(read('package-lock.json')) as Lock, [now])) },
  ]
}
