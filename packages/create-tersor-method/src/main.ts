import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import { KINDS } from './kinds/kinds.js'
import { refusal } from './names.js'
import { projectOf } from './project.js'
import { RUNNERS } from './runners.js'

/** What the process gives a run; tests give their own. */
export interface Surroundings {
  readonly cwd: string
  readonly say: (line: string) => void
  readonly complain: (line: string) => void
  /** Asks a person, who may answer with nothing; absent where nobody is there. */
  readonly ask?: (question: string) => Promise<string>
}

const USAGE = `npm create tersor-method NAME -- [--kind KIND] [--test RUNNER]

Makes a folder tersor-NAME with one step of your own.

  KIND    ${Object.entries(KINDS)
    .map(([name, { about }]) => `${name.padEnd(8)}${about}`)
    .join('\n          ')}
  RUNNER  ${Object.keys(RUNNERS).join(', ')}`

const read = (argv: readonly string[]) => {
  const options = { kind: { type: 'string' }, test: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true })
  } catch (error) {
    throw refusal((error as Error).message.split('. ')[0], 'Write npm create tersor-method NAME -- --kind method --test jest.')
  }
}

const write = (folder: string, files: ReturnType<typeof projectOf>): void => {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw refusal(`${folder} is there already, and holds something.`, 'Choose another name, or move it away.')
  for (const { path, text } of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
}

/** Asks for what was not given; what nobody answers is the first of its kind. */
const request = async ({ values, positionals }: ReturnType<typeof read>, ask: Surroundings['ask']) => {
  const answer = async (question: string, fallback: string): Promise<string> => (await ask?.(question))?.trim() || fallback
  const name = positionals[0] ?? (await answer('Name, in small letters with dashes: ', ''))
  if (name === '') throw refusal('No name was given.', 'Write npm create tersor-method NAME, such as sparse-gpt.')
  const list = (known: object): string => Object.keys(known).join(', ')
  const kind = values.kind ?? (await answer(`Kind (${list(KINDS)}), method: `, 'method'))
  const test = values.test ?? (await answer(`Tests by (${list(RUNNERS)}), jest: `, 'jest'))
  return { name: name.replace(/^tersor-/, ''), kind, test: test === 'node' ? 'node:test' : test }
}

/** Runs one command line and gives its exit code: 0, or 2 for wrong usage. */
export const main = async (argv: readonly string[], { cwd, say, complain, ask }: Surroundings): Promise<number> => {
  try {
    const given = read(argv)
    if (given.values.help) return (say(USAGE), 0)
    const asked = await request(given, ask)
    const folder = `tersor-${asked.name}`
    const files = projectOf(asked)
    write(join(cwd, folder), files)
    files.forEach(({ path }) => say(`${folder}/${path}`))
    say(`\nNow: cd ${folder} && npm install && npm test`)
    return 0
  } catch (error) {
    complain((error as Error).message)
    return 2
  }
}

/** The process of a person: asks where it is a terminal. */
export const inProcess = async (): Promise<number> => {
  const terminal = process.stdin.isTTY ? createInterface({ input: process.stdin, output: process.stdout }) : undefined
  const { log: say, error: complain } = console
  const asking = terminal ? { ask: (question: string) => terminal.question(question) } : {}
  const code = await main(process.argv.slice(2), { cwd: process.cwd(), say, complain, ...asking })
  terminal?.close()
  return code
}
