import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(__dirname, '..')

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

export interface Package {
  /** Folder under packages/. */
  readonly folder: string
  readonly path: string
  readonly manifest: Manifest
  /** What is shipped: neither tests nor what only tests import. */
  readonly sources: readonly string[]
}

const TEST_ONLY = /\.(test|test-d|testing|reference|fixture)\.ts$/

export const readPackages = (): readonly Package[] =>
  readdirSync(join(ROOT, 'packages')).map(folder => {
    const path = join(ROOT, 'packages', folder)
    const manifest = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Manifest
    const files = readdirSync(join(path, 'src'), { recursive: true, encoding: 'utf8' })
    const sources = files.filter(file => file.endsWith('.ts') && !TEST_ONLY.test(file)).map(file => join(path, 'src', file))
    return { folder, path, manifest, sources }
  })
