import { createRng } from '@tersor/core'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { picoLlama, type PicoLlamaOptions } from '@tersor/models'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { byteTokenizerJson } from './byte-tokenizer.fixture.js'

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
