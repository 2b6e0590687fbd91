/** Installs what is missing and runs the kernel and method tests in Chromium on WebGPU: `npm run test:browser [-- files | two-tabs]`. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const CHROMIUM = process.env['TERSOR_CHROMIUM'] ?? '/usr/bin/chromium'
const KERNELS = ['linear-algebra', 'hadamard', 'k-means', 'blocks', 'sparse-mat-mul', 'add-tensors']
const TESTS = [
  'core/src/codecs',
  'core/src/pack',
  'core/src/train/train',
  'gradients/src/collective/tabs',
  'pruning/src/*',
  'quantization/src/*',
  'low-rank/src/*',
  ...KERNELS.map(name => `kernels/src/${name}`),
]

const run = (command, args, env = process.env) => {
  const { status } = spawnSync(command, args, { cwd: here, stdio: 'inherit', env })
  if (status !== 0) process.exit(status ?? 1)
}

if (!existsSync(CHROMIUM)) {
  console.log(`skipped: there is no Chromium at ${CHROMIUM}; install one (apt-get install chromium) or name it with TERSOR_CHROMIUM`)
  process.exit(0)
}
if (!existsSync(join(here, 'node_modules', 'vitest', 'package.json')))
  run('npm', ['install', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'])
const chosen = process.argv.slice(2)
const files = chosen.length > 0 ? chosen.filter(name => name !== 'two-tabs') : TESTS.map(name => `packages/${name}.test.ts`)
if (chosen.length === 0 || chosen.includes('two-tabs')) await (await import('./two-tabs/run.mjs')).twoTabs(CHROMIUM)
if (chosen.length === 1 && chosen[0] === 'two-tabs') process.exit(0)
run('npx', ['vitest', 'run', '--config', 'vitest.config.ts'], { ...process.env, TERSOR_BROWSER_TESTS: files.join() })
