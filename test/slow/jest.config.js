import config from '../../jest.config.js'

process.env.TERSOR_SLOW = '1'

/** All cases of every test, where `npm test` and `npm run test:commands` try some: networks, kills of processes, mutations of files, pairs of steps. */
export default {
  ...config,
  rootDir: '../..',
  testMatch: ['**/packages/*/src/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  testTimeout: 600_000,
}
