import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ownTemporaryFolder from '../../scripts/own-temporary-folder.cjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** npm tells its scripts its own settings, which are not meant for another. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS$|NODE_ENV$|JEST_|TERSOR_)/i.test(name)))

const npm = (...args) => execFileSync('npm', args, { cwd: ROOT, env, encoding: 'utf8', maxBuffer: 2 ** 26 })

const isPublished = folder => !JSON.parse(readFileSync(join(ROOT, 'packages', folder, 'package.json'), 'utf8')).private

/** Jest's global setup: builds and packs every package, once for all tests that install them. */
export default () => {
  ownTemporaryFolder()
  const folder = join(tmpdir(), 'tarballs')
  mkdirSync(folder)
  npm('run', 'build', '--', '--output-logs=errors-only')
  const workspaces = readdirSync(join(ROOT, 'packages')).filter(isPublished)
  const chosen = workspaces.flatMap(name => ['-w', `packages/${name}`])
  writeFileSync(join(folder, 'tarballs.json'), npm('pack', '--json', '--ignore-scripts', '--pack-destination', folder, ...chosen))
  process.env.TERSOR_TARBALLS = folder // workers are started with it
}
