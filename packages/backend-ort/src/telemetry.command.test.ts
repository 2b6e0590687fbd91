import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { loadNative } from './binding.js'

const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
/** A network without any way out, so that not even a failed test sends anything. */
const CLOSED = spawnSync('unshare', ['-rn', 'true']).status === 0 ? ['unshare', '-rn'] : undefined

const folder = mkdtempSync(join(tmpdir(), 'tersor-telemetry-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Loads the runtime, makes a session, runs it (the self-test does) and stays for two seconds: events were sent at once when they were. */
const SCRIPT = `
  const { loadNative } = await import(${JSON.stringify(pathToFileURL(join(process.cwd(), 'packages/backend-ort/src/binding.ts')).href)})
  if (loadNative().problem) process.exit(3)
  await new Promise(done => setTimeout(done, 2000))
  process.exit(0)`

const runIn = (home: string, trace: string) => {
  const command = [
    ...CLOSED!,
    ...['strace', '-f', '-o', trace, '-e', 'trace=%network', process.execPath],
    ...['--import', 'tsx', '--conditions=@tersor/source', '--input-type=module', '-e', SCRIPT],
  ]
  const { ORT_DISABLE_TELEMETRY: _, ...env } = process.env
  return spawnSync(command[0], command.slice(1), { env: { ...env, HOME: home, XDG_CACHE_HOME: join(home, '.cache') }, encoding: 'utf8' })
}

const missing = !CLOSED ? 'network namespaces' : !has('strace') ? 'strace' : undefined
if (missing) console.log(`Skipped: the trace of ONNX Runtime's telemetry needs ${missing}.`)
const traced = missing ? it.skip : it

traced('opens no connection and leaves nothing in the home folder', () => {
  const home = mkdtempSync(join(folder, 'home-'))
  const trace = join(folder, 'trace')
  const { status, stderr } = runIn(home, trace)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(readFileSync(trace, 'utf8')).not.toMatch(/AF_INET/)
  expect(readdirSync(home)).toEqual([])
})

it('tells the library before it loads', () => {
  const before = process.env.ORT_DISABLE_TELEMETRY
  delete process.env.ORT_DISABLE_TELEMETRY
  try {
    const seen: (string | undefined)[] = []
    loadNative(name => {
      seen.push(process.env.ORT_DISABLE_TELEMETRY)
      throw new Error(`no ${name}`)
    })
    expect(seen).toEqual(['1'])
  } finally {
    if (before === undefined) delete process.env.ORT_DISABLE_TELEMETRY
    else process.env.ORT_DISABLE_TELEMETRY = before
  }
})
