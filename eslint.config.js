import js from '@eslint/js'
import ts from 'typescript-eslint'

const noHiddenRandomness = [
  { object: 'Math', property: 'random', message: 'Use the Rng of the context: one seed decides everything.' },
  { object: 'tf', property: 'randomNormal', message: 'Use the Rng of the context: one seed decides everything.' },
  { object: 'tf', property: 'randomUniform', message: 'Use the Rng of the context: one seed decides everything.' },
]

export default ts.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '**/.turbo/**', 'out/**', 'packages/*/wasm/**'] },
  js.configs.recommended,
  ...ts.configs.recommended,
  {
    files: ['packages/*/src/**/*.ts', 'examples/**/*.ts', 'benchmarks/**/*.ts', 'scripts/**/*.ts', 'test/**/*.ts'],
    rules: {
      'no-restricted-properties': ['error', ...noHiddenRandomness],
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
    },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/*.reference.ts', '**/*.fixture.ts', '**/tables/*.ts'],
    rules: { 'max-lines': ['error', 250], 'max-lines-per-function': ['error', { max: 60, skipComments: true, skipBlankLines: true }] },
  },
  // a suite is a list of tests, which reads best in one piece
  { files: ['packages/testing/src/describe-*.ts'], rules: { 'max-lines-per-function': 'off' } },
  {
    files: ['**/*.cjs', '**/*.js', '**/*.mjs'],
    languageOptions: {
      globals: {
        module: 'writable',
        exports: 'writable',
        require: 'readonly',
        process: 'readonly',
        console: 'readonly',
        Buffer: 'readonly',
        __dirname: 'readonly',
        globalThis: 'readonly',
        URL: 'readonly',
      },
    },
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
)
