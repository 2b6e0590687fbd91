import config from '../../jest.config.js'

/** The page of examples/browser, built and used in Chromium: a minute, and so no part of `npm test`. */
export default {
  ...config,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/browser/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
}
