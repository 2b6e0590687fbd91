import config from '../../jest.config.js'

/** What a new user does in the first hour, from packed packages and by the commands of the README: minutes, and so no part of `npm test`. */
export default {
  ...config,
  rootDir: '../..',
  globalSetup: '<rootDir>/test/packed/pack-once.mjs',
  testMatch: ['<rootDir>/test/first-hour/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
}
