import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KINDS } from './kinds/kinds.js'
import { main, type Surroundings } from './main.js'
import { projectOf } from './project.js'
import { RUNNERS } from './runners.js'

let cwd = ''
beforeEach(() => void (cwd = mkdtempSync(join(tmpdir(), 'tersor-create-'))))
afterEach(() => rmSync(cwd, { recursive: true }))

const run = async (argv: readonly string[], ask?: Surroundings['ask']) => {
  const [said, complained]: [string[], string[]] = [[], []]
  const asking = ask ? { ask } : {}
  const code = await main(argv, { cwd, say: line => void said.push(line), complain: line => void complained.push(line), ...asking })
  return { code, said: said.join('\n'), complained: complained.join('\n') }
}

const manifest = (folder: string) =>
  JSON.parse(readFileSync(join(cwd, folder, 'package.json'), 'utf8')) as {
    scripts: Readonly<Record<string, string>>
    devDependencies: Readonly<Record<string, string>>
    dependencies: Readonly<Record<string, string>>
  }

it('makes a package and says what comes next', async () => {
  const { code, said } = await run(['weight-watcher', '--kind', 'score', '--test', 'node:test'])
  expect(code).toBe(0)
  expect(said).toContain('Now: cd tersor-weight-watcher && npm install && npm test')
  const { scripts, devDependencies, dependencies } = manifest('tersor-weight-watcher')
  expect(scripts.test).toBe('node --import tsx --import @tersor/testing/node-test --test src/*.test.ts')
  expect(Object.keys(devDependencies)).toEqual(expect.arrayContaining(['expect', 'tsx', '@tersor/testing', 'tersor']))
  expect(dependencies).toEqual({ '@tersor/pruning': '^0.1.0' })
  expect(readdirSync(join(cwd, 'tersor-weight-watcher/src')).sort()).toEqual(['index.ts', 'weight-watcher.test.ts', 'weight-watcher.ts'])
})

it('asks for what is not given, and takes an empty answer for the first', async () => {
  const questions: string[] = []
  const answers = ['owl', 'pass', '']
  const { code } = await run([], async question => answers[questions.push(question) - 1])
  expect(code).toBe(0)
  expect(questions.map(each => each.split(/[ ,]/)[0])).toEqual(['Name', 'Kind', 'Tests'])
  expect(readFileSync(join(cwd, 'tersor-owl/src/owl.ts'), 'utf8')).toContain('definePass')
  expect(manifest('tersor-owl').scripts.test).toBe('jest')
})

it('has the release of its own in what it writes', () => {
  const { version } = JSON.parse(readFileSync(join(__dirname, '../package.json'), 'utf8')) as { version: string }
  const [{ text }] = projectOf({ name: 'owl', kind: 'method', test: 'jest' })
  expect((JSON.parse(text) as ReturnType<typeof manifest>).dependencies['@tersor/core']).toBe(`^${version}`)
})

it.each(Object.keys(KINDS).flatMap(kind => Object.keys(RUNNERS).map(test => [kind, test])))(
  'leaves nothing open in a %s by %s',
  (kind, test) => {
    const texts = projectOf({ name: 'level-out', kind, test }).map(({ text }) => text)
    expect(texts.join('')).not.toMatch(/undefined:|TODO|\[object/)
    expect(texts.join('')).toContain('levelOut')
  },
)

it('refuses in two lines, and writes nothing', async () => {
  const refused = async (...argv: string[]) => {
    const { code, complained } = await run(argv)
    expect([code, complained.split('\n').length]).toEqual([2, 2])
    return complained
  }
  expect(await refused()).toBe('No name was given.\nWrite npm create tersor-method NAME, such as sparse-gpt.')
  expect(await refused('Owl')).toMatch(/^"Owl" is no name for a method\.\nWrite it in small letters/)
  expect(await refused('owl', '--kind', 'layer')).toBe('There is no kind "layer".\nChoose one of method, score, pass, codec.')
  expect(await refused('owl', '--test', 'mocha')).toBe('There is no test runner "mocha".\nChoose one of jest, vitest, node:test.')
  expect(await refused('owl', '--nope')).toMatch(/nope.*\nWrite npm create tersor-method NAME/)
  expect(readdirSync(cwd)).toEqual([])
  mkdirSync(join(cwd, 'tersor-owl'))
  writeFileSync(join(cwd, 'tersor-owl/notes'), '')
  expect(await refused('owl')).toMatch(/tersor-owl is there already, and holds something\.\nChoose another name/)
})

it('says its kinds and runners', async () => {
  const { code, said } = await run(['--help'])
  expect(code).toBe(0)
  expect(said).toContain('score   a number for each weight')
  expect(said).toContain('RUNNER  jest, vitest, node:test')
})
