import js from '@eslint/js'
import ts from 'typescript-eslint'

const noHiddenRandomness = [
  { object: 'Math', property: 'random', message: 'Use the Rng of the context: one seed decides everything.' },
  { object: 'tf', property: 'randomNormal', message: 'Use the Rng of the context: one seed decides everything.' },
  { object: 'tf', property: 'randomUniform', message: 'Use the Rng of the context: one seed decides everything.' },
]

/** `noUncheckedIndexedAccess` is off: an index needs no `!` (only a shape does, whose tuples tfjs counts). */
const noNeedlessBang = [
  {
    selector: 'TSNonNullExpression > MemberExpression[computed=true]:not([object.property.name="shape"])',
    message: 'Drop the `!`: an index is not checked for undefined here.',
  },
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
    rules: { 'no-restricted-syntax': ['error', ...noNeedlessBang] },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/*.reference.ts', '**/tables/*.ts'],
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
        expect: 'readonly',
      },
    },
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
)
