import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { importsOf, packageOf, type Import } from './imports.js'
import { readPackages, ROOT, type Package } from './workspace.js'

/** A package imports only from layers above its own (docs/design.md, section 1); families and all that is named nowhere share one. */
const LAYERS: readonly (readonly string[])[] = [
  ['@tersor/tensor'],
  ['@tersor/backend-ort', '@tersor/kernels'],
  ['@tersor/core'],
  [],
  ['tersor'],
]
const SIDEWAYS: Readonly<Record<string, readonly string[]>> = {
  '@tersor/models': ['@tersor/formats'],
  '@tersor/onnx': ['@tersor/formats', '@tersor/models'],
}
const LOADED_WHERE_INSTALLED: Readonly<Record<string, readonly string[]>> = {
  '@tersor/kernels': ['@tersor/backend-ort'],
  '@tersor/models': ['@tersor/onnx'],
}
/** Useful to any user of tfjs on its own, so it stands on tfjs alone. */
const ALONE = ['@tersor/backend-ort']

const layerOf = (name: string): number => {
  const named = LAYERS.findIndex(layer => layer.includes(name))
  return named < 0 ? LAYERS.findIndex(layer => layer.length === 0) : named
}
const isOurs = (name: string): boolean => name === 'tersor' || name.startsWith('@tersor/')
const mayImport = (from: string, to: string): boolean =>
  (layerOf(to) < layerOf(from) && !ALONE.includes(from)) || (SIDEWAYS[from]?.includes(to) ?? false)

interface Found extends Import {
  readonly file: string
}

const packages = readPackages()
const sourcesOf = ({ sources }: Package): { readonly file: string; readonly text: string }[] =>
  sources.map(file => ({ file, text: readFileSync(file, 'utf8') }))
/** Of every file, parsed once. */
const imports = new Map(packages.flatMap(sourcesOf).map(({ file, text }) => [file, importsOf(text)]))
const importsIn = ({ sources }: Package): Found[] =>
  sources.flatMap(file => imports.get(file)!.map(found => ({ ...found, file: relative(ROOT, file) })))
const external = (each: Package): (Found & { readonly to: string })[] =>
  importsIn(each).flatMap(found => {
    const to = packageOf(found.specifier)
    return to === undefined || to === each.manifest.name ? [] : [{ ...found, to }]
  })

/** The first cycle among files, as a path that ends where it began. */
const cycleIn = (edges: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined => {
  const done = new Set<string>()
  const walk = (file: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return undefined
    for (const next of edges.get(file) ?? []) {
      const cycle = walk(next, [...path, file])
      if (cycle) return cycle
    }
    done.add(file)
    return undefined
  }
  for (const file of edges.keys()) {
    const cycle = walk(file, [])
    if (cycle) return cycle
  }
  return undefined
}

it('reads statements, re-exports, types and literal import() alike', () => {
  const text = [
    "import type { A } from 'a'",
    "import { type B } from '@s/b/deep'",
    "import c, { type C } from 'c'",
    "import 'd'",
    "export * from './e.js'",
    "type F = import('f').F",
    "await import('g')",
    "// import 'h'",
  ].join('\n')
  expect(importsOf(text).map(({ specifier, kind }) => `${kind} ${packageOf(specifier)}`)).toEqual([
    ...['type a', 'type @s/b', 'static c', 'static d', 'static undefined', 'type f', 'dynamic g'],
  ])
})

it('finds a cycle and tells it', () => {
  const edges = { a: ['b'], b: ['c', 'd'], c: [], d: ['b'] }
  expect(cycleIn(new Map(Object.entries(edges)))).toEqual(['b', 'd', 'b'])
  expect(cycleIn(new Map(Object.entries({ ...edges, d: ['c'] })))).toBeUndefined()
})

it('sees every package of the workspace', () => {
  expect(packages.length).toBeGreaterThanOrEqual(12)
  for (const each of packages) expect(each.sources.length).toBeGreaterThan(0)
})

describe.each(packages.map(each => [each.manifest.name, each] as const))('%s', (name, each) => {
  const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = each.manifest
  const declared = { ...dependencies, ...peerDependencies }
  const isOptional = (to: string): boolean => to in peerDependencies && peerDependenciesMeta[to]?.optional === true

  it('depends only on layers above', () => {
    const forbidden = Object.keys(declared).filter(
      to => isOurs(to) && !mayImport(name, to) && !(LOADED_WHERE_INSTALLED[name]?.includes(to) && isOptional(to)),
    )
    expect(forbidden).toEqual([])
  })

  it('imports only from layers above', () => {
    const forbidden = external(each).filter(
      ({ to, kind }) => isOurs(to) && !mayImport(name, to) && !(LOADED_WHERE_INSTALLED[name]?.includes(to) && kind === 'dynamic'),
    )
    expect(forbidden.map(({ file, specifier }) => `${file} → ${specifier}`)).toEqual([])
  })

  it('declares what it imports', () => {
    const undeclared = external(each).filter(({ to }) => !(to in declared))
    expect(undeclared.map(({ file, specifier }) => `${file} → ${specifier}`)).toEqual([])
  })

  it('imports optional peers only as types or on demand', () => {
    const eager = external(each).filter(({ to, kind }) => isOptional(to) && kind === 'static')
    expect(eager.map(({ file, specifier }) => `${file} → ${specifier}`)).toEqual([])
  })

  it('uses each package of ours that it declares', () => {
    const imported = new Set(external(each).map(({ to }) => to))
    // an optional peer is imported by a name out of a table; an application brings what its libraries load where installed
    const named = (to: string): boolean => isOptional(to) && sourcesOf(each).some(({ text }) => text.includes(`'${to}'`))
    const brought = (to: string): boolean => Object.keys(declared).some(by => LOADED_WHERE_INSTALLED[by]?.includes(to))
    expect(Object.keys(declared).filter(to => isOurs(to) && !imported.has(to) && !named(to) && !brought(to))).toEqual([])
  })

  it('has no cycle of files', () => {
    const edges = new Map(
      each.sources.map(file => [
        relative(ROOT, file),
        imports
          .get(file)!
          .filter(({ specifier }) => specifier.startsWith('.'))
          .map(({ specifier }) => relative(ROOT, join(dirname(file), specifier.replace(/\.js$/, '.ts')))),
      ]),
    )
    expect(cycleIn(edges)).toBeUndefined()
  })
})

it('brings protobuf with @tersor/onnx alone', () => {
  const bringing = packages.filter(({ manifest }) => '@bufbuild/protobuf' in { ...manifest.dependencies, ...manifest.peerDependencies })
  expect(bringing.map(({ manifest }) => manifest.name)).toEqual(['@tersor/onnx'])
})
