import config from '../../jest.config.js'

/** Whole commands, over folders and files: each takes seconds, all together two minutes. */
export default {
  ...config,
  rootDir: '../..',
  testMatch: ['**/*.command.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
}
