/**
 * Runs tfjs-core's own published op tests against this backend and prints how many pass.
 * Usage: npm install --no-save jasmine-core esbuild && node packages/backend-ort/scripts/published-tests.mjs [filter] [backend]
 */
import { createRequire } from 'node:module'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const [filter = '', backend = 'ort'] = process.argv.slice(2)
const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')
const require = createRequire(pathToFileURL(process.env.JASMINE_FROM ?? join(root, 'package.json')))
const { build } = createRequire(join(root, 'package.json'))('esbuild')
const core = join(root, 'node_modules/@tensorflow/tfjs-core')

/** Tests of the engine's operations; the others concern browsers, files or tfjs itself. */
const wanted = name => /^\.\/(ops|gradients_test|tensor_test|variable_test|engine_test|optimizers)/.test(name)
const tests = readFileSync(join(core, 'dist/tests.js'), 'utf8')
  .split('\n')
  .flatMap(line => /^import '(.*)';/.exec(line)?.[1] ?? [])
  .filter(wanted)
  .filter(name => name.includes(filter) || filter.startsWith('='))

const setup = `
  import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util'
  import '@tensorflow/tfjs-core/dist/index'
  import '@tensorflow/tfjs-core/dist/register_all_gradients'
  import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops'
  import { configure } from '@tersor/backend-ort'
  import '@tensorflow/tfjs-backend-cpu'
  if (${JSON.stringify(backend)} === 'ort') configure({ smallElements: 0 }) // most tests are tiny: none of them may go to tfjs-cpu for that
  setTestEnvs([{ name: '${backend}', backendName: '${backend}', isDataSync: true }])`
const out = join(root, 'out')
mkdirSync(out, { recursive: true })
writeFileSync(join(out, 'setup.mjs'), setup)
writeFileSync(join(out, 'jasmine-stub.cjs'), 'exports.core = () => ({})') // tfjs-core only sets a timeout on it
const entry = [`import './setup.mjs'`, ...tests.map(name => `import ${JSON.stringify(join(core, 'dist', `${name}.js`))}`)].join('\n')
await build({
  stdin: { contents: entry, resolveDir: out, loader: 'js' },
  outfile: join(root, 'packages/backend-ort/dist/published-tests.mjs'), // beside the package, so that onnxruntime-node is found
  bundle: true,
  format: 'esm',
  platform: 'node',
  ignoreAnnotations: true, // tfjs marks its test files as free of side effects
  mainFields: ['module', 'main'],
  conditions: ['@tersor/source'],
  external: ['onnxruntime-node', 'onnxruntime-common', 'node-fetch'],
  plugins: [
    {
      name: 'one-tfjs-core',
      setup(build) {
        build.onResolve({ filter: /^@tensorflow\/tfjs-core$/ }, () => ({ path: join(core, 'dist/index.js') }))
        build.onResolve({ filter: /^jasmine-core/ }, () => ({ path: join(out, 'jasmine-stub.cjs') }))
      },
    },
  ],
  banner: { js: `import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);` },
  logLevel: 'error',
})

const jasmineCore = require('jasmine-core')
const jasmine = jasmineCore.boot(jasmineCore) ?? globalThis.jasmine
globalThis.jasmine = jasmine
const env = jasmine.getEnv()
for (const name of [
  'describe',
  'it',
  'xit',
  'fit',
  'xdescribe',
  'fdescribe',
  'beforeEach',
  'afterEach',
  'beforeAll',
  'afterAll',
  'expect',
  'spyOn',
  'fail',
  'pending',
])
  globalThis[name] = env[name].bind(env)
await import(pathToFileURL(join(root, 'packages/backend-ort/dist/published-tests.mjs')).href)
const failures = []
let passed = 0
let skipped = 0
env.clearReporters()
env.addReporter({
  specDone(result) {
    if (result.status === 'passed') passed++
    else if (result.status === 'failed') failures.push(`${result.fullName}\n    ${result.failedExpectations[0]?.message?.slice(0, 300)}`)
    else skipped++
  },
})
env.configure({ random: false })
jasmine.DEFAULT_TIMEOUT_INTERVAL = 60_000
await env.execute()
for (const failure of failures) console.log(`FAILED ${failure}`)
console.log(`${passed} passed, ${failures.length} failed, ${skipped} skipped`)
process.exit(failures.length > 0 ? 1 : 0)
