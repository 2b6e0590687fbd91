/**
 * `npm run claims [-- NAME …] [--rows TEXT] [--more]`: every claim in turn, or those named, each in its own process; those whose data is
 * missing are skipped with a message. `--rows` is for `roundings`, `training`, `kv-cache`, `stored-caches`, `gradients` and `structured`: only
 * rows whose names hold the text, or begin so, are measured anew; `training/lsq` is short for `training --rows lsq`. `--more`, for all of these
 * but `roundings`, measures only the sides and seeds that a row lacks.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const DATA = process.env.TERSOR_DATA ?? join(FOLDER, '../../../shared/data')

/** Script, and the data it needs besides the repository's own. */
const CLAIMS: readonly (readonly [script: string, data?: string])[] = [
  ['language.ts'],
  ['roundings.ts'],
  ['shakespeare-llama.ts', 'lm/shakespeare-llama'],
  ['resnet.ts', 'cifar10-resnet'],
  ['static-int8.ts', 'cifar10-resnet'],
  ['training.ts'],
  ['stored-caches.ts'],
  ['gradients.ts'],
  ['kv-cache.ts'],
  ['structured.ts'],
]

const { values: flags, positionals: named } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: 'string' }, more: { type: 'boolean', default: false } },
})

/** A script, the data it needs, and the rows that are asked of it; each name asks for its own. */
const asked = (named.length === 0 ? [''] : named).flatMap(name => {
  const [begins, row = flags.rows] = name.split('/')
  return CLAIMS.filter(([script]) => script.startsWith(begins)).map(([script, data]) => ({ script, data, row }))
})

for (const { script, data, row } of asked) {
  console.log(`\n== ${script}`)
  if (data !== undefined && !existsSync(join(DATA, data))) {
    console.log(`skipped: there is no ${join(DATA, data)}; set TERSOR_DATA to a folder that has ${data}.`)
    continue
  }
  const { status } = spawnSync(
    'npx',
    [
      ...['tsx', '--conditions=@tersor/source', join(FOLDER, script)],
      ...(row === undefined ? [] : ['--rows', row]),
      ...(flags.more ? ['--more'] : []),
    ],
    {
      stdio: 'inherit',
      env: { ...process.env, TERSOR_DATA: DATA },
    },
  )
  if (status !== 0) process.exitCode = 1
}
