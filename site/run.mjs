/** Installs what is missing, builds the site into site/dist and checks its links: `npm run site`. A link that leads nowhere fails. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const here = import.meta.dirname
const root = join(here, '..')

const run = (command, args, cwd = here) => {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

if (['vitepress', 'typedoc', 'playwright-core'].some(name => !existsSync(join(here, 'node_modules', name, 'package.json'))))
  run('npm', ['install', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'])
run('npm', ['run', '--silent', 'build', '--', '--output-logs=errors-only'], root)
const { gather } = await import('./gather.mjs')
const pages = await gather()
run('npx', ['vitepress', 'build', '.'])
run('npx', ['typedoc', '--options', 'typedoc.json'])
const { deadLinks } = await import('./check-links.mjs')
const dead = deadLinks(join(here, 'dist'), process.env.TERSOR_SITE_BASE)
for (const each of dead) console.error(each)
if (dead.length > 0) {
  console.error(`${dead.length} links lead nowhere.`)
  process.exit(1)
}
console.log(`site/dist: ${pages.length} pages and the API; all links lead somewhere.`)
