/**
 * `npm run sizes`: what a bundler makes of each door of the families and of core, minified and compressed, without tfjs; fails where a door
 * is larger than sizes.json allows. With `-- --write` it allows a tenth more than there is.
 */
import { build } from 'esbuild'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const BUDGETS = join(ROOT, 'sizes.json')
const PACKAGES = ['tensor', 'core', 'pruning', 'quantization', 'low-rank', 'evaluation']

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, { readonly default?: string }>>
}

const sizeOf = async (file: string): Promise<number> => {
  const { outputFiles } = await build({
    ...{ entryPoints: [file], bundle: true, minify: true, write: false, format: 'esm', platform: 'browser', logLevel: 'error' },
    external: ['@tensorflow/*', '@tersor/backend-ort', 'sharp', 'node:*'],
  })
  return gzipSync(outputFiles[0].contents).length
}

const sizes: Record<string, number> = {}
for (const each of PACKAGES) {
  const folder = join(ROOT, 'packages', each)
  const { name, exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
  for (const [door, { default: file }] of Object.entries(exports))
    if (file && !door.includes('*')) sizes[door === '.' ? name : `${name}${door.slice(1)}`] = await sizeOf(join(folder, file))
}
if (process.argv.includes('--write')) {
  const budgets = Object.fromEntries(Object.entries(sizes).map(([door, size]) => [door, Math.ceil((1.1 * size) / 256) * 256]))
  writeFileSync(BUDGETS, `${JSON.stringify(budgets, null, 2)}\n`)
}
const budgets = JSON.parse(readFileSync(BUDGETS, 'utf8')) as Readonly<Record<string, number>>
const over = Object.entries(sizes).filter(([door, size]) => !(size <= (budgets[door] ?? 0)))
for (const [door, size] of over) console.error(`${door} is ${size} bytes, of ${budgets[door] ?? 'none'} allowed.`)
if (over.length > 0) {
  console.error('Import from files in place of an index, or run npm run sizes -- --write and say why.')
  process.exitCode = 1
} else console.log(`${Object.keys(sizes).length} doors within their sizes, the largest ${Math.max(...Object.values(sizes))} bytes.`)
