import ts from 'typescript'

export interface Import {
  readonly specifier: string
  readonly kind: 'static' | 'dynamic' | 'type'
}

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

/** What stands before the last text that could end a statement of an import: behind it there is nothing to be parsed. */
const upToImports = (text: string): string => {
  let end = 0
  for (const { 0: { length }, index } of text.matchAll(/\b(?:from|import)\s*['"][^'"]*['"]/g)) end = index + length // prettier-ignore
  return text.slice(0, end)
}

/** Every import of a source text: statements, re-exports, `import()` of a literal and `import('…')` in types. */
export const importsOf = (text: string): readonly Import[] => {
  const found: Import[] = []
  const isDeep = text.includes('import(')
  const visit = (node: ts.Node): void => {
    const each = importOf(node)
    if (each) found.push(each)
    if (isDeep || ts.isSourceFile(node)) ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('source.ts', isDeep ? text : upToImports(text), ts.ScriptTarget.ES2022))
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
