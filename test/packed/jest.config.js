import config from '../../jest.config.js'

/** What is packed, installed and run as users do: minutes, and so no part of `npm test`. */
export default {
  ...config,
  rootDir: '../..',
  globalSetup: '<rootDir>/test/packed/pack-once.mjs',
  testMatch: ['<rootDir>/test/packed/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
}
