import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { make, nextSteps } from './new/make.js'

const ROOT = join(import.meta.dirname, '..')
const [kind = '', where = ''] = process.argv.slice(2)

try {
  const paths = make(ROOT, kind, where)
  // a process of its own, which loads what was just written
  execFileSync(process.execPath, [...process.execArgv, join(ROOT, 'scripts/docs.ts')], { cwd: ROOT })
  console.log([...paths, nextSteps(kind, where)].join('\n'))
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
