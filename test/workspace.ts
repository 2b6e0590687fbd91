import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

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

export interface Import {
  readonly specifier: string
  readonly kind: 'static' | 'dynamic' | 'type'
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

const isTypeOnly = (node: ts.ImportDeclaration | ts.ExportDeclaration): boolean => {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly
  const clause = node.importClause
  if (!clause) return false
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const bindings = clause.namedBindings
  return !clause.name && bindings !== undefined && ts.isNamedImports(bindings) && bindings.elements.every(element => element.isTypeOnly)
}

const importOf = (node: ts.Node): Import | undefined => {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier))
    return { specifier: node.moduleSpecifier.text, kind: isTypeOnly(node) ? 'type' : 'static' }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal))
    return { specifier: node.argument.literal.text, kind: 'type' }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword && ts.isStringLiteral(node.arguments[0]))
    return { specifier: node.arguments[0].text, kind: 'dynamic' }
  return undefined
}

/** Every import of a source text: statements, re-exports, `import()` of a literal and `import('…')` in types. */
export const importsOf = (text: string): readonly Import[] => {
  const found: Import[] = []
  const visit = (node: ts.Node): void => {
    const each = importOf(node)
    if (each) found.push(each)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('source.ts', text, ts.ScriptTarget.ES2022))
  return found
}

/** The package that a specifier leads to, or undefined for a relative path or a module of Node. */
export const packageOf = (specifier: string): string | undefined => {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}
