/**
 * Measures the recipes of the gallery on the bundled model and writes measured.json: `node site/gallery/measure.mjs`, after `npm run build`.
 * Ten minutes on two cores; the site is built from what stands there.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname
const root = join(here, '../..')
const recipes = JSON.parse(readFileSync(join(here, 'recipes.json'), 'utf8'))
const pipelines = recipes.map(({ steps }) => steps.join(' + '))
const against = pipelines.slice(1).flatMap(steps => ['--against', steps])
const argv = [
  join(root, 'packages/tersor/bin/tersor.js'),
  'bench',
  ...recipes[0].steps,
  ...against,
  '--tokens',
  '16384',
  '--json',
  '--quiet',
]
const { rows } = JSON.parse(execFileSync(process.execPath, argv, { cwd: root, maxBuffer: 2 ** 26 }))
// seconds are those of a shared machine and say nothing
const kept = rows.map(({ steps, bytes, bitsPerWeight, error, perplexity, kl, flips }) => ({
  steps,
  bytes,
  bitsPerWeight,
  error,
  perplexity,
  kl,
  flips,
}))
writeFileSync(join(here, 'measured.json'), `${JSON.stringify(kept, null, 2)}\n`)
