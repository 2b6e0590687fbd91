/**
 * Compresses the bundled model by one recipe in each runtime, by each engine, and compares the bytes: `npm run test:runtimes`, after
 * `npm run build`. Runtimes are npm packages, installed here when they are missing; their binaries are those of linux on x64.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const here = import.meta.dirname
const root = join(here, '..')
const tersor = join(root, 'packages/tersor/bin/tersor.js')
const bundled = join(root, 'examples/bundled-model')
const ENGINES = ['wasm', 'ort']

const modules = join(here, 'node_modules')
/** The words before a script, by name; the first is what runs this. */
const RUNTIMES = {
  [`node ${process.version}`]: [process.execPath],
  'node 22': [join(modules, 'node-22/bin/node')],
  'node 24': [join(modules, 'node-24/bin/node')],
  bun: [join(modules, '@oven/bun-linux-x64/bin/bun')],
  deno: [join(modules, '@deno/linux-x64-glibc/deno'), 'run', '-A', '--node-modules-dir=manual'],
}
const OLD = join(modules, 'node-18/bin/node')

/** Files of a result, of which the card alone may differ: it names the runtime. */
const FILES = ['model.safetensors', 'config.json', 'tokenizer.json', 'generation_config.json']

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.log(`skipped: the runtimes are those of linux on x64, and this is ${process.platform} on ${process.arch}`)
  process.exit(0)
}
if (![...Object.values(RUNTIMES), [OLD]].every(([path]) => existsSync(path))) {
  const { status } = spawnSync('npm', ['install', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: here, stdio: 'inherit' }) // prettier-ignore
  if (status !== 0) process.exit(status ?? 1)
}

const folder = mkdtempSync(join(tmpdir(), 'tersor-runtimes-'))
const failures = []

/** What a runtime makes of the recipe, in figures: the hash of its files, and what was measured. */
const made = (name, engine) => {
  const out = join(folder, `${name}-${engine}`.replace(/\W+/g, '-'))
  const [command, ...words] = RUNTIMES[name]
  const argv = ['compress', join(bundled, 'model'), '--out', out, '--step', 'gptq(bits=4, group=32)', '--seed', '7']
  const learned = ['--calibrate', join(bundled, 'text/calibration.txt'), '--samples', '4', '--length', '64', '--json', '--quiet']
  const env = { ...process.env, TERSOR_ENGINE: engine, DENO_DIR: join(folder, 'deno'), NO_COLOR: '1' }
  const { status, stdout, stderr } = spawnSync(command, [...words, tersor, ...argv, ...learned], {
    env,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  if (status !== 0) return { failed: stderr.trim().split('\n').slice(0, 3).join(' | ') || `exit code ${status}` }
  const hash = FILES.reduce((sum, file) => sum.update(readFileSync(join(out, file))), createHash('sha256')).digest('hex')
  return { hash, perplexity: JSON.parse(stdout).quality.after.perplexity }
}

try {
  for (const engine of ENGINES) {
    const results = Object.keys(RUNTIMES).map(name => [name, made(name, engine)])
    const [, first] = results[0]
    for (const [name, { hash, perplexity, failed }] of results) {
      console.log(`${engine.padEnd(5)} ${name.padEnd(14)} ${failed ?? `${hash.slice(0, 16)}  perplexity ${perplexity.toFixed(4)}`}`)
      if (failed !== undefined) failures.push(`${name} by ${engine} failed: ${failed}`)
      else if (hash !== first.hash) failures.push(`${name} by ${engine} made other bytes`)
      else if (Math.abs(perplexity / first.perplexity - 1) > 1e-6) failures.push(`${name} by ${engine} measured another perplexity`)
    }
  }
  const { status, stdout, stderr } = spawnSync(OLD, [tersor, 'compress', 'x'], { encoding: 'utf8' })
  console.log(`      node 18        ${stderr.trim().split('\n').join(' ')}`)
  if (status !== 1 || stdout !== '' || !/^Tersor needs Node 20\.19 or newer, and this is v18\.[^\n]*\nInstall [^\n]*\n$/.test(stderr))
    failures.push(`node 18 says: ${stderr}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
for (const each of failures) console.error(each)
if (failures.length > 0) process.exit(1)
console.log('The same bytes in every runtime.')
