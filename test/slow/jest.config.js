import config from '../../jest.config.js'

process.env.TERSOR_SLOW = '1'

/** What tries all cases where `npm test` tries some: kills of processes, mutations of files, pairs of steps. */
export default {
  ...config,
  rootDir: '../..',
  // the suites of methods try all places where they try some otherwise
  testMatch: ['**/*.slow.test.ts', '**/packages/{pruning,quantization,low-rank,distillation,kv-cache}/src/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  testTimeout: 600_000,
}
