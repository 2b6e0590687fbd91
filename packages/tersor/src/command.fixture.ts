import { createRng } from '@tersor/core'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { picoLlama, type PicoLlamaOptions } from '@tersor/models'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { byteTokenizerJson } from './byte-tokenizer.fixture.js'
import { main } from './index.js'

export interface Result {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command line in this process; `columns` make a terminal of its output. */
export const run = async (argv: readonly string[], columns?: number): Promise<Result> => {
  const texts = { out: '', err: '' }
  const stream = (name: 'out' | 'err') =>
    Object.assign(new Writable({ write: (chunk, _encoding, done) => ((texts[name] += String(chunk)), done()) }), columns ? { columns } : {})
  const code = await main(argv, { out: stream('out'), err: stream('err') })
  return { code, ...texts }
}

/** The object that a command prints, and nothing else. */
export const json = async (...argv: string[]): Promise<any> => {
  const { code, out, err } = await run([...argv, '--json', '--quiet'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return JSON.parse(out)
}

/** A folder with a small language model and a text, which goes with the tests. */
export const scene = (size: PicoLlamaOptions = {}) => {
  const at = { folder: '', model: '', text: '' }
  beforeAll(async () => {
    process.env.TERSOR_ENGINE = 'ort'
    at.folder = await mkdtemp(join(tmpdir(), 'tersor-command-'))
    at.model = join(at.folder, 'pico')
    at.text = join(at.folder, 'text.txt')
    const pico = picoLlama({ dtype: 'bf16', context: 32, seed: 3, ...size })
    const files = { 'tokenizer.json': new TextEncoder().encode(JSON.stringify(byteTokenizerJson())) }
    const sink = huggingFaceSink(at.model, { config: pico.rawConfig, files })
    for (const name of pico.params.names()) await sink.write(name, await pico.params.read(name))
    await (await sink.finish()).close?.()
    const rng = createRng(1)
    const words = Array.from({ length: 160 }, () => ['the', 'old', 'man', 'sea', 'and', 'boat'][rng.integer(6)])
    await writeFile(at.text, `${words.slice(0, 80).join(' ')}\n<|endoftext|>\n${words.slice(80).join(' ')}\n`)
  })
  afterAll(() => rm(at.folder, { recursive: true, force: true }))
  return { at, fresh: (name: string): string => join(at.folder, name) }
}
