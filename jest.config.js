import preset from './packages/testing/jest-preset.cjs'

process.env.TERSOR_SPINNING ??= '0' // workers share the cores

/** Tests run from sources: the export condition @tersor/source leads to src, so nothing is built first. */
export default {
  ...preset,
  // a test runs in a context of its own, where looking up a global is slow unless it is handed over: a fifth of the whole run
  sandboxInjectedGlobals: [
    ...['Math', 'Number', 'BigInt', 'String', 'Symbol', 'Object', 'Array', 'Map', 'Set', 'WeakMap', 'Promise', 'Error', 'JSON'],
    ...['Float32Array', 'Float64Array', 'Int8Array', 'Int32Array', 'Uint8Array', 'Uint16Array', 'Uint32Array', 'ArrayBuffer', 'DataView'],
    ...['isNaN', 'Infinity'],
  ],
  // published as ES modules alone
  transformIgnorePatterns: ['/node_modules/(?!(@tersor|tersor[^/]*|hyparquet[^/]*|hysnappy)/)'],
  // a README runs the pages of docs/ beside it
  testMatch: ['**/*.test.ts', '**/packages/*/README.md', '**/examples/custom-method/README.md', '<rootDir>/README.md'],
  moduleNameMapper: {
    ...preset.moduleNameMapper,
    '^(vega|vega-lite)$': '<rootDir>/scripts/native-$1.cjs',
    '^@tensorflow/tfjs-backend-cpu$': '<rootDir>/scripts/plain-engine.cjs',
  },
  transform: {
    '\\.md$': '<rootDir>/scripts/pages-transform.cjs',
    '\\.[cm]?[tj]s$': ['<rootDir>/scripts/direct-imports.cjs', preset.transform['\\.[cm]?[tj]s$'][1]],
  },
  // what takes minutes together has a command of its own: whole commands (npm run test:commands), all cases (test:slow), test:packed, test:page
  testPathIgnorePatterns: [
    '/node_modules/',
    '/dist/',
    '\\.(slow|command)\\.test\\.ts$',
    '<rootDir>/conformance/',
    '<rootDir>/test/packed/',
    '<rootDir>/test/browser/',
    '<rootDir>/test/first-hour/',
  ],
  modulePathIgnorePatterns: ['/dist/'],
  testEnvironment: '<rootDir>/scripts/jest-environment.cjs',
  testEnvironmentOptions: { customExportConditions: ['@tersor/source', 'node', 'require', 'default'] },
  reporters: ['default', '<rootDir>/scripts/count-reporter.cjs'],
  globalSetup: '<rootDir>/scripts/own-temporary-folder.cjs',
  setupFiles: ['<rootDir>/scripts/quiet-tfjs.cjs'],
  setupFilesAfterEnv: ['<rootDir>/scripts/equal-arrays.cjs'],
  maxWorkers: '100%', // one fewer than the cores by default, which on two cores leaves one idle
}
