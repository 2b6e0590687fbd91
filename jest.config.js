process.env.TERSOR_SPINNING ??= '0' // workers share the cores

/** Tests run from sources: the export condition @tersor/source leads to src, so nothing is built first. */
export default {
  testEnvironment: '<rootDir>/packages/testing/jest-environment.cjs',
  testMatch: [
    '**/*.test.ts',
    '**/packages/*/docs/**/*.md',
    '**/packages/*/README.md',
    '**/examples/custom-method/README.md',
    '<rootDir>/docs/*.md',
    '<rootDir>/README.md',
  ],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '<rootDir>/conformance/', '<rootDir>/docs/design.md'],
  modulePathIgnorePatterns: ['/dist/'],
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node', 'md'],
  extensionsToTreatAsEsm: [],
  moduleNameMapper: {
    '^jiti$': '<rootDir>/node_modules/jiti/lib/jiti.cjs',
    '^sharp$': '<rootDir>/node_modules/sharp/dist/index.cjs',
    '^dedent$': '<rootDir>/node_modules/dedent/dist/dedent.js',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  testEnvironmentOptions: { customExportConditions: ['@tersor/source', 'node', 'require', 'import', 'default'] },
  transform: {
    '\\.md$': '<rootDir>/packages/testing/markdown-transform.cjs',
    '\\.[cm]?[tj]s$': ['@swc/jest', { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }],
  },
  transformIgnorePatterns: ['/node_modules/(?!(@huggingface/tokenizers|valibot|@bufbuild/protobuf)/)'],
  reporters: ['default', '<rootDir>/scripts/count-reporter.cjs'],
  setupFiles: ['<rootDir>/scripts/quiet-tfjs.cjs'],
  testTimeout: 60_000,
}
