import { planned } from '../scripts/new/make.js'
import { ROOT } from './workspace.js'

const texts = (kind: string, where: string): Readonly<Record<string, string>> =>
  Object.fromEntries(planned(ROOT, kind, where).map(({ path, text }) => [path, text]))

it('plans a method as a file, a test, a page, an export line and a changeset', () => {
  const files = texts('method', 'pruning/weight-watcher')
  expect(Object.keys(files)).toEqual([
    'packages/pruning/src/weight-watcher.ts',
    'packages/pruning/src/weight-watcher.test.ts',
    'packages/pruning/docs/weight-watcher.md',
    '.changeset/pruning-weight-watcher.md',
    'packages/pruning/src/index.ts',
    'packages/pruning/package.json',
  ])
  expect(JSON.parse(files['packages/pruning/package.json']).exports['./weight-watcher']).toMatchObject({
    default: './dist/weight-watcher.js',
  })
  const inRoom = texts('pass', 'quantization/exact/level-out')
  expect(Object.keys(inRoom)[0]).toBe('packages/quantization/src/exact/level-out.ts')
  expect(inRoom['packages/quantization/src/index.ts']).toContain("export * from './exact/level-out.js'")
  expect(files['packages/pruning/src/weight-watcher.ts']).toContain('export const weightWatcher = defineMethod({')
  expect(files['packages/pruning/src/index.ts']).toMatch(/wanda\.js'\n[^]*export \* from '\.\/weight-watcher\.js'\n$/)
  expect(Object.values(files).join('')).not.toMatch(/TODO|undefined/)
})

it('plans a package that the command line knows, with its lines of the lock file', () => {
  const files = texts('package', 'weight-sharing')
  expect(JSON.parse(files['packages/weight-sharing/package.json'])).toMatchObject({ name: '@tersor/weight-sharing', dependencies: {} })
  const program = JSON.parse(files['packages/tersor/package.json']) as { dependencies: object }
  expect(Object.keys(program.dependencies)).toContain('@tersor/weight-sharing')
  const lock = JSON.parse(files['package-lock.json']) as { packages: Readonly<Record<string, unknown>> }
  expect(lock.packages['node_modules/@tersor/weight-sharing']).toEqual({ resolved: 'packages/weight-sharing', link: true })
  expect(lock.packages['packages/tersor']).toMatchObject({ dependencies: program.dependencies })
  expect(files['packages/tersor/src/methods.ts']).toContain("  '@tersor/weight-sharing': weightSharing,\n")
})

it.each([
  ['method', 'pruning/wanda', 'packages/pruning/src/wanda.ts is there already.\nChoose another name than "wanda".'],
  ['method', 'pruning/Owl', '"Owl" is no name for a method.\nWrite it in small letters with dashes between words, such as sparse-gpt.'],
  ['pass', 'pruning', '"" is no name for a pass.\nWrite it in small letters'],
  ['pass', 'nowhere/owl', 'There is no package "nowhere".\nMake it first: npm run new package nowhere.'],
  ['package', 'pruning', 'packages/pruning is there already.\nAdd to it: npm run new method pruning/<name>.'],
  ['package', '../out', '"../out" is no name for a package.\nWrite it in small letters'],
  ['layer', 'pruning/owl', 'There is no "layer" to make.\nWrite npm run new method pruning/owl'],
])('refuses %s %s', (kind, where, message) => {
  expect(() => planned(ROOT, kind, where)).toThrow(message)
})
