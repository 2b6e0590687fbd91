/**
 * A Jest preset for packages that stand on Tersor: `export default { preset: '@tersor/testing' }`.
 * TypeScript, ES modules and Markdown pages run as they are, in Node's environment with typed arrays that native engines take.
 */
module.exports = {
  testEnvironment: require.resolve('./jest-environment.cjs'),
  testTimeout: 60_000,
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node', 'md'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '\\.md$': require.resolve('./markdown-transform.cjs'),
    '\\.[cm]?[tj]s$': [
      require.resolve('@swc/jest'),
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  transformIgnorePatterns: ['/node_modules/(?!(\\.pnpm|@tersor|tersor[^/]*)/)'],
}
