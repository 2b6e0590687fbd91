import { VERSION } from '@tersor/core'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readPackages, ROOT, type Manifest } from './workspace.js'

const packages = readPackages()
const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as { packages: Readonly<Record<string, Manifest>> }
const workspaces = Object.keys(lock.packages).filter(path => path !== '' && !path.includes('node_modules'))

it('records the version of @tersor/core', () => {
  expect(VERSION).toBe(packages.find(each => each.manifest.name === '@tersor/core')!.manifest.version)
})

it('releases all packages under one version', () => {
  expect(packages.filter(each => each.manifest.version !== VERSION).map(each => each.manifest.name)).toEqual([])
})

it('locks every package of the workspace', () => {
  expect(workspaces).toEqual(expect.arrayContaining(packages.map(each => `packages/${each.folder}`)))
})

it.each(workspaces)('locks what %s declares', path => {
  const declared = (from: Manifest) => [from.dependencies, from.peerDependencies, from.devDependencies].map(each => each ?? {})
  const manifest = JSON.parse(readFileSync(join(ROOT, path, 'package.json'), 'utf8')) as Manifest
  // otherwise npm ci refuses, and npm install leaves a changed file behind
  expect(declared(lock.packages[path])).toEqual(declared(manifest))
})
