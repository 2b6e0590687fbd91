import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../workspace.js'

const MINUTES = 60_000
/** What is made, in this order; the last three stand in the package that is made first. */
const MADE = [
  ['method', 'pruning/owl'],
  ['pass', 'quantization/exact/level-out'],
  ['package', 'weight-sharing'],
  ['method', 'weight-sharing/pool'],
  ['pass', 'weight-sharing/merge-twins'],
] as const

let copy = ''

const run = async (tool: string, ...args: string[]): Promise<string> => {
  const argv = [join(ROOT, 'node_modules', tool), ...args]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, argv, { cwd: copy, maxBuffer: 2 ** 26 }).catch(
    (error: { stdout: string; stderr: string }) => {
      throw new Error(`${tool}\n${error.stdout}\n${error.stderr}`)
    },
  )
  return `${stdout}${stderr}`
}

/** The installed packages of this repository, with the workspace's own links leading into the copy. */
const linkModules = async (): Promise<void> => {
  const from = join(ROOT, 'node_modules')
  const scopes = [...(await readdir(from)), ...(await readdir(join(from, '@tersor'))).map(name => `@tersor/${name}`)]
  await mkdir(join(copy, 'node_modules/@tersor'), { recursive: true })
  for (const name of scopes) {
    if (name === '@tersor' || name === '.cache') continue
    const link = await readlink(join(from, name)).catch(() => undefined)
    await symlink(link ?? join(from, name), join(copy, 'node_modules', name))
  }
  // and what npm installed beside a package alone
  for (const name of await readdir(join(ROOT, 'packages'))) {
    const own = join(ROOT, 'packages', name, 'node_modules')
    if (await stat(own).catch(() => undefined)) await symlink(own, join(copy, 'packages', name, 'node_modules'))
  }
}

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'tersor-new-'))
  const left = ['node_modules', 'dist', '.git', '.turbo', 'out']
  await cp(ROOT, copy, { recursive: true, filter: path => !left.includes(basename(path)) })
  await linkModules()
  for (const [kind, where] of MADE) await run('tsx/dist/cli.mjs', '--conditions=@tersor/source', 'scripts/new.ts', kind, where)
}, 5 * MINUTES)

afterAll(() => rm(copy, { recursive: true, force: true }))

it('writes the rows of what was made', async () => {
  expect(await readFile(join(copy, 'packages/pruning/README.md'), 'utf8')).toContain('[`owl`](docs/owl.md)')
  expect(await readFile(join(copy, 'packages/weight-sharing/README.md'), 'utf8')).toMatch(/`pool`[\s\S]*`mergeTwins`/)
})

it('is typed, before a line is changed', () => run('typescript-native/bin/tsc', '-p', 'tsconfig.json', '--noEmit'), 2 * MINUTES)

it(
  'passes lint and is formatted',
  async () => {
    const paths = ['packages/pruning', 'packages/quantization', 'packages/weight-sharing', 'packages/tersor/src/methods.ts']
    await run('eslint/bin/eslint.js', ...paths)
    await run('prettier/bin/prettier.cjs', '--check', ...paths, '.changeset', 'packages/tersor/package.json', 'package.json')
  },
  2 * MINUTES,
)

it(
  'passes its own tests, those of its page, and those of the whole',
  async () => {
    const readmes = ['packages/pruning/README', 'packages/quantization/README'] // which run the pages beside them
    const tests = ['owl', 'level-out', 'packages/weight-sharing', 'test/coverage-of-methods', 'test/layers', 'test/manifests', 'test/start']
    const told = await run('jest/bin/jest.js', '--verbose', ...tests, ...readmes)
    expect(told).toMatch(/Tests: +(\d+ skipped, )?\d+ passed, \d+ total/)
    for (const name of ['owl.test.ts', 'level-out.test.ts', 'pool.test.ts', 'pruning/README.md', 'quantization/README.md'])
      expect(told).toMatch(new RegExp(`PASS .*${name}`))
    for (const page of ['pruning/docs/owl.md', 'quantization/docs/level-out.md', 'weight-sharing/docs/merge-twins.md'])
      expect(told).toContain(page)
  },
  5 * MINUTES,
)
