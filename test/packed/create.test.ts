import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../workspace.js'
import { INSTALL, packed, project, run, runBoth } from './pack.js'

const MINUTES = 60_000

/** Each kind by a runner, and what its runner says when all went well. */
const MADE = [
  ['method', 'jest', /Tests: +(\d+) passed, \1 total/],
  ['score', 'vitest', /Tests +(\d+) passed \(\1\)/],
  ['pass', 'node:test', /# tests (\d+)[\s\S]*# pass \1\n# fail 0/],
  ['codec', 'node:test', /# tests (\d+)[\s\S]*# pass \1\n# fail 0/],
] as const

let folder = ''
const made = (kind: string): string => join(folder, 'made', `tersor-my-${kind}`)

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

/** All that the new packages ask for, installed once in the folder above them. */
const installAbove = async (above: string): Promise<void> => {
  const manifests = await Promise.all(
    MADE.map(async ([kind]) => JSON.parse(await readFile(join(made(kind), 'package.json'), 'utf8')) as Manifest),
  )
  const asked = Object.assign({}, ...manifests.flatMap(each => [each.dependencies, each.devDependencies])) as Record<string, string>
  const ours = await packed()
  expect(Object.keys(asked).filter(name => /^(@tersor\/|tersor$)/.test(name) && !(name in ours))).toEqual([])
  await writeFile(join(above, 'package.json'), JSON.stringify({ name: 'above', private: true, dependencies: { ...asked, ...ours } }))
  await run(above, 'npm', INSTALL)
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tersor-create-'))
  const maker = (await packed())['create-tersor-method']
  await project(join(folder, 'maker'), { dependencies: { 'create-tersor-method': maker } })
  await mkdir(join(folder, 'made'))
  const bin = join(folder, 'maker/node_modules/.bin/create-tersor-method')
  for (const [kind, test] of MADE) await run(join(folder, 'made'), bin, [`my-${kind}`, '--kind', kind, '--test', test])
  await installAbove(join(folder, 'made'))
}, 10 * MINUTES)

afterAll(() => rm(folder, { recursive: true, force: true }))

it.each(MADE)(
  'makes a %s by %s that types, lints, builds and passes its suite before a line is changed',
  async (kind, _test, passed) => {
    for (const script of ['types', 'lint', 'build']) await run(made(kind), 'npm', ['run', script])
    const { stdout, stderr } = await runBoth(made(kind), 'npm', ['test'])
    const told = `${stdout}\n${stderr}`.replace(/^ℹ /gm, '# ')
    expect(told).toMatch(passed)
    expect(Number(passed.exec(told)![1])).toBeGreaterThan(5)
  },
  3 * MINUTES,
)

it(
  'has a bench that sets its step beside those of its kind',
  async () => {
    const model = join(ROOT, 'examples/bundled-model/model')
    const said = await run(made('score'), 'npm', ['run', '--silent', 'bench', '--', '--model', model, '--json', '--quiet'])
    const { rows } = JSON.parse(said) as { rows: { steps: string[]; own: boolean }[] }
    expect(rows.map(({ steps, own }) => [own, steps.join()]).sort()).toEqual([
      ...[[false, ''], [false, 'magnitude(sparsity=0.5)'], [true, './src/my-score.ts:my-score()']], // prettier-ignore
    ])
  },
  MINUTES,
)

it(
  'fails where a method breaks a promise, by every runner',
  async () => {
    for (const [kind] of MADE) {
      const path = join(made(kind), `src/my-${kind}.test.ts`)
      await writeFile(path, `${await readFile(path, 'utf8')}\nit('breaks', () => expect(1).toBe(2))\n`)
      await expect(run(made(kind), 'npm', ['test'])).rejects.toMatchObject({ code: 1 })
    }
  },
  3 * MINUTES,
)
