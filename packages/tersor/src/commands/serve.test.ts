import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { main } from '../index.js'

const BUNDLED = join(__dirname, '../../../../examples/bundled-model/model')

/** Runs a command line; `said` is what it has written so far. */
const start = (argv: readonly string[]) => {
  const [out, err] = [new PassThrough(), new PassThrough()]
  const said = { out: '', err: '' }
  out.on('data', (bytes: Buffer) => (said.out += bytes))
  err.on('data', (bytes: Buffer) => (said.err += bytes))
  return { said, out, code: main(argv, { out, err }) }
}

it('serves until Ctrl-C, which it answers at once', async () => {
  const { said, out, code } = start(['serve', BUNDLED, '--port', '0', '--json'])
  await new Promise(resolve => out.once('data', resolve))
  const { address, models } = JSON.parse(said.out) as { address: string; models: string[] }
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/)
  expect(models).toEqual(['model'])
  expect(said.err).toMatch(/the page: compresses in the browser.*\n.*v1 {2}answers as model\nCtrl-C ends it\.\n/)
  expect(await (await fetch(`${address}v1/models`)).json()).toMatchObject({ data: [{ id: 'model' }] })
  const answer = fetch(`${address}v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'model', prompt: 'The', max_tokens: 200, stream: true }),
  }).then(response => response.text())
  answer.catch(() => {}) // told below
  process.emit('SIGINT')
  expect(await code).toBe(0)
  await answer.catch(() => {})
  await expect(fetch(address)).rejects.toThrow()
})

it('says in two lines that a port is in use or is none, and what is no model', async () => {
  const other = createServer()
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as AddressInfo
  const taken = start(['serve', '--port', String(port)])
  expect(await taken.code).toBe(1)
  expect(taken.said.err).toBe(`error IN_USE Port ${port} is in use.\nPass another one with --port, or --port 0 for any that is free.\n`)
  other.close()
  const none = start(['serve', '--port', '70000'])
  expect(await none.code).toBe(2)
  expect(none.said.err).toMatch(/^error BAD_OPTION --port is 70000\.\nPass a port of at most 65535, or 0 for any\.\n$/)
  const missing = start(['serve', '/none/model', '--port', '0'])
  expect(await missing.code).toBe(1)
  expect(missing.said.err).toMatch(/error NOT_FOUND There is nothing at \/none\/model\./)
})
