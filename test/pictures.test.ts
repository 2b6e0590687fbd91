import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './workspace.js'

const FOLDER = join(ROOT, 'docs/pictures')
const LARGEST = 150_000

it('keeps pictures that anybody can load, of every width and in light and dark', () => {
  const names = readdirSync(FOLDER)
  const wanted = [
    ...['compress', 'compare', 'sweep'].flatMap(name => [60, 80, 100].map(columns => `${name}-${columns}.png`)),
    ...['report', 'site'].flatMap(name => ['light', 'dark'].map(scheme => `${name}-${scheme}.png`)),
  ]
  expect(names).toEqual(expect.arrayContaining(wanted))
  expect(names.filter(name => statSync(join(FOLDER, name)).size >= LARGEST)).toEqual([])
})

it('shows only pictures that are there in the README', () => {
  const shown = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map(([, path]) => path)
  expect(shown.length).toBeGreaterThan(0)
  for (const path of shown) expect(statSync(join(ROOT, path)).size).toBeGreaterThan(0)
})
