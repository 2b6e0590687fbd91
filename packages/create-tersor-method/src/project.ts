import { KINDS } from './kinds/kinds.js'
import { camel, checkName, refusal, type Written } from './names.js'
import type { ProjectRequest } from './project-request.js'
import { readmeOf } from './readme.js'
import { RUNNERS } from './runners.js'

/** Of Tersor's packages, which are released under one. */
const RELEASE = '^0.1.0'
const TFJS = '4.22.0'

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
const sorted = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
const released = (names: readonly string[]): Record<string, string> => Object.fromEntries(names.map(name => [name, RELEASE]))

const manifestOf = ({ name, kind, test }: ProjectRequest): object => {
  const { packages, testPackages } = KINDS[kind]
  const { script, devDependencies } = RUNNERS[test]
  return {
    ...{ name: `tersor-${name}`, version: '0.1.0', description: `${camel(name)} for Tersor.`, license: 'Apache-2.0', type: 'module' },
    keywords: ['tersor-method'],
    exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
    files: ['dist', 'src', '!**/*.test.*'],
    scripts: {
      ...{ build: 'tsc -p tsconfig.build.json', types: 'tsc -p tsconfig.json', lint: 'eslint .', test: script },
      ...{ bench: `tersor bench "./src/${name}.ts:${name}()"`, prepare: 'npm run build' },
    },
    dependencies: released(packages),
    peerDependencies: { '@tensorflow/tfjs-core': `^${TFJS}` },
    devDependencies: sorted({
      ...{ '@eslint/js': '^10.0.0', '@tensorflow/tfjs-backend-cpu': TFJS, '@tensorflow/tfjs-core': TFJS, '@types/node': '^20.19.0' },
      ...{ eslint: '^10.15.0', typescript: '~6.0.3', 'typescript-eslint': '^8.73.0' },
      ...released(['@tersor/testing', 'tersor', ...testPackages]),
      ...devDependencies,
    }),
  }
}

const tsconfigOf = (types: readonly string[]): string =>
  json({
    compilerOptions: {
      ...{ target: 'es2022', lib: ['es2023', 'dom'], module: 'nodenext', strict: true, skipLibCheck: true },
      ...{ verbatimModuleSyntax: true, noEmit: true, types: ['node', ...types] },
    },
    include: ['src'],
  })

const BUILD = json({
  extends: './tsconfig.json',
  compilerOptions: { noEmit: false, declaration: true, rootDir: 'src', outDir: 'dist' },
  exclude: ['src/**/*.test.ts'],
})

const LINT = `import js from '@eslint/js'
import ts from 'typescript-eslint'

export default ts.config({ ignores: ['dist/**'] }, js.configs.recommended, ...ts.configs.recommended, {
  rules: { '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }] },
})
`

const choiceOf = (what: string, given: string, known: Readonly<Record<string, unknown>>): void => {
  if (!Object.hasOwn(known, given)) throw refusal(`There is no ${what} "${given}".`, `Choose one of ${Object.keys(known).join(', ')}.`)
}

/** The files of a package with one step of its own, which types, lints and passes its suite before a line is changed. Throws two lines where a name or choice is none. */
export const projectOf = (request: ProjectRequest): readonly Written[] => {
  const { name, kind, test } = request
  choiceOf('kind', kind, KINDS)
  choiceOf('test runner', test, RUNNERS)
  checkName(kind, name)
  return [
    { path: 'package.json', text: json(manifestOf(request)) },
    { path: 'tsconfig.json', text: tsconfigOf(RUNNERS[test].types) },
    { path: 'tsconfig.build.json', text: BUILD },
    { path: 'eslint.config.js', text: LINT },
    { path: '.gitignore', text: 'node_modules\ndist\nout\n' },
    { path: 'README.md', text: readmeOf(request, Object.keys(RUNNERS)) },
    { path: 'src/index.ts', text: `export * from './${name}.js'\n` },
    { path: `src/${name}.ts`, text: KINDS[kind].source(name) },
    { path: `src/${name}.test.ts`, text: KINDS[kind].test(name) },
    ...RUNNERS[test].files,
  ]
}
