import type { Written } from './names.js'

/** What runs the tests of a project. */
export interface Runner {
  /** The script `test` of its manifest. */
  readonly script: string
  readonly devDependencies: Readonly<Record<string, string>>
  /** What declares describe, it and expect. */
  readonly types: readonly string[]
  readonly files: readonly Written[]
}

const JEST_TYPES = { '@types/jest': '^30.0.0' }

/** By the names that --test takes. */
export const RUNNERS: Readonly<Record<string, Runner>> = {
  jest: {
    script: 'jest',
    devDependencies: { jest: '^30.5.0', ...JEST_TYPES },
    types: ['jest'],
    files: [{ path: 'jest.config.js', text: "export default { preset: '@tersor/testing' }\n" }],
  },
  vitest: {
    script: 'vitest run',
    devDependencies: { vitest: '^4.0.0' },
    types: ['vitest/globals'],
    files: [
      {
        path: 'vitest.config.ts',
        text: "export default { test: { include: ['src/**/*.test.ts'], setupFiles: ['@tersor/testing/vitest'], testTimeout: 60_000 } }\n",
      },
    ],
  },
  'node:test': {
    script: 'node --import tsx --import @tersor/testing/node-test --test src/*.test.ts',
    devDependencies: { expect: '^30.5.0', tsx: '^4.23.0', ...JEST_TYPES },
    types: ['jest'],
    files: [],
  },
}
