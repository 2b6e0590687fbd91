/**
 * Jest transform that makes one test of each `ts` fence of a Markdown page.
 * In a fence, imports are lifted out; `x // => y` expects equality, `x // ~> y` closeness to three decimals,
 * `x // throws: text` an error whose message contains the text. The rest runs as the body of an async function.
 */
const { transformSync } = require('@swc/core')

const FENCE = /^```ts(?<flags>[^\n]*)\n(?<body>[\s\S]*?)^```/gm
const IMPORT = /^import\s[\s\S]*?(?:from\s+)?['"][^'"]+['"]\s*;?$/gm
const CHECKS = [
  [/^(\s*)(.+?);?\s*\/\/ => (.+)$/, (indent, code, expected) => `${indent}expect(${code}).toEqual(${expected})`],
  [/^(\s*)(.+?);?\s*\/\/ ~> (.+)$/, (indent, code, expected) => `${indent}expect(${code}).toBeCloseTo(${expected}, 3)`],
  [
    /^(\s*)(.+?);?\s*\/\/ throws: (.+)$/,
    (indent, code, text) =>
      `${indent}await expect((async () => ${code.replace(/^await /, 'await ')})()).rejects.toThrow(${JSON.stringify(text.trim())})`,
  ],
]

const checkOf = line => {
  for (const [pattern, make] of CHECKS) {
    const match = pattern.exec(line)
    if (match) return make(match[1], match[2].trim(), match[3].trim())
  }
  return line
}

/** The heading that a fence stands under, for the test's name. */
const headingBefore = (text, index) => {
  const headings = [...text.slice(0, index).matchAll(/^#+\s+(.+)$/gm)]
  return headings.length > 0 ? headings[headings.length - 1][1] : 'page'
}

/** The test file of a page, as TypeScript. */
const testsOf = text => {
  const imports = new Set()
  const tests = []
  for (const match of text.matchAll(FENCE)) {
    if (/\bno-test\b/.test(match.groups.flags)) continue
    const body = match.groups.body.replace(IMPORT, line => {
      imports.add(line)
      return ''
    })
    const name = `${headingBefore(text, match.index)} (example ${tests.length + 1})`
    tests.push(`it(${JSON.stringify(name)}, async () => {\n${body.split('\n').map(checkOf).join('\n')}\n})`)
  }
  if (tests.length === 0) tests.push("it.skip('has no example', () => {})")
  return [...imports, ...tests].join('\n')
}

/** A test file in TypeScript as one that Jest runs. */
const compile = (source, filename) =>
  transformSync(source, {
    filename: `${filename}.ts`,
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
  })

exports.testsOf = testsOf
exports.compile = compile
/** What Jest asks of a transform. */
exports.process = (text, filename) => compile(testsOf(text), filename)
