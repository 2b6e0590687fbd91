import js from '@eslint/js'
import ts from 'typescript-eslint'

const noHiddenRandomness = [
  { object: 'Math', property: 'random', message: 'Use the Rng of the context: one seed decides everything.' },
  { object: 'tf', property: 'randomNormal', message: 'Use the Rng of the context: one seed decides everything.' },
  { object: 'tf', property: 'randomUniform', message: 'Use the Rng of the context: one seed decides everything.' },
]

/** What an engine answers wrongly and without a word. */
const noTraps = [
  {
    object: 'tf',
    property: 'addN',
    message: 'Use addTensors of @tersor/kernels: with more than seven tensors WebGPU drops what stands beside it.',
  },
]

/** Words that are gone, and what is said in their place (docs/design.md, "Words"). */
const GONE = {
  Turning: 'Rotation',
  turnings: 'rotations',
  Turn: 'Walk or Visit',
  takeTurn: 'visit',
  layerwise: 'eachSite',
  stagewise: 'walkStages',
  Holding: 'Storage',
  holdingOf: 'storageOf',
  StagedSink: 'StageSink',
  stagedSink: 'stageSink',
  misfit: 'refusal',
  Misfit: 'Refusal',
  keeping: 'teeSink',
  forsake: 'dispose',
  lend: 'with…',
  runMethod: 'applyMethod',
}
const goneWords = Object.entries(GONE).map(([word, now]) => ({
  selector: `Identifier[name='${word}']`,
  message: `"${word}" is gone: say ${now}.`,
}))

/** `noUncheckedIndexedAccess` is off: an index needs no `!` (only a shape does, whose tuples tfjs counts). */
const noNeedlessBang = [
  {
    selector: 'TSNonNullExpression > MemberExpression[computed=true]:not([object.property.name="shape"])',
    message: 'Drop the `!`: an index is not checked for undefined here.',
  },
]

export default ts.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '**/.turbo/**', 'out/**', 'packages/*/wasm/**', 'packages/tersor/page/**'] },
  js.configs.recommended,
  ...ts.configs.recommended,
  {
    files: ['packages/*/src/**/*.ts', 'examples/**/*.ts', 'benchmarks/**/*.ts', 'scripts/**/*.ts', 'test/**/*.ts'],
    rules: {
      'no-restricted-properties': ['error', ...noHiddenRandomness],
      'no-restricted-syntax': ['error', ...goneWords],
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
    },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...goneWords, ...noNeedlessBang] },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/*.reference.ts', '**/*.fixture.ts', '**/tables/*.ts'],
    rules: {
      'no-restricted-properties': ['error', ...noHiddenRandomness, ...noTraps],
      'max-lines': ['error', 250],
      'max-lines-per-function': ['error', { max: 60, skipComments: true, skipBlankLines: true }],
    },
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
        __filename: 'readonly',
        globalThis: 'readonly',
        URL: 'readonly',
        expect: 'readonly',
      },
    },
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
)
