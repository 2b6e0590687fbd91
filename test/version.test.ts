import { VERSION } from '@tersor/core'
import { readPackages } from './workspace.js'

const packages = readPackages()

it('records the version of @tersor/core', () => {
  expect(VERSION).toBe(packages.find(each => each.manifest.name === '@tersor/core')!.manifest.version)
})

it('releases all packages under one version', () => {
  expect(packages.filter(each => each.manifest.version !== VERSION).map(each => each.manifest.name)).toEqual([])
})
