import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { importsOf } from './imports.js'
import { ROOT } from './workspace.js'

/** What a file loads before it does anything: packages by specifier. */
const loadedBy = (file: string, seen = new Set<string>()): ReadonlySet<string> => {
  const found = new Set<string>()
  if (seen.has(file)) return found
  seen.add(file)
  for (const { specifier, kind } of importsOf(readFileSync(file, 'utf8'))) {
    if (kind !== 'static') continue
    if (!specifier.startsWith('.')) found.add(specifier)
    else loadedBy(join(dirname(file), specifier.replace(/\.js$/, '.ts')), seen).forEach(each => found.add(each))
  }
  return found
}

const loaded = (path: string): string[] => [...loadedBy(join(ROOT, 'packages', path))].sort()

it('starts the command line without an engine, a format or a method', () => {
  expect(loaded('tersor/src/command-line.ts')).toEqual([
    '@tersor/core/version',
    '@tersor/models/formats',
    'commander',
    'fastest-levenshtein',
    'picocolors',
  ])
  expect(loaded('tersor/src/programs.ts')).toEqual(['@tersor/tensor', 'node:stream'])
  expect(['core/src/version.ts', 'models/src/opening/formats.ts'].flatMap(loaded)).toEqual([])
})

it('opens models and their outputs without the schema of ONNX', () => {
  const names = [
    'tersor/src/model-output.ts',
    'tersor/src/with-model.ts',
    'tersor/src/methods.ts',
    'models/src/opening/open-model.ts',
    'onnx/src/format.ts',
  ]
  for (const specifier of names.flatMap(loaded)) expect(specifier).not.toMatch(/^@tersor\/(formats|models|onnx)$|protobuf/)
})

it('loads all formats without what reads and writes them', () => {
  const folder = join(ROOT, 'packages/models/src/formats')
  const values = [...readdirSync(folder).map(name => `models/src/formats/${name}`), 'onnx/src/format.ts'].filter(
    name => !/runtime|llama-cpp|test/.test(name),
  )
  expect(values.length).toBeGreaterThan(7)
  for (const specifier of values.flatMap(loaded))
    expect(specifier).toMatch(/^@tersor\/(tensor|formats\/internal\/files\/file-system|models\/internal\/formats\/(format|huggingface))$/)
})
