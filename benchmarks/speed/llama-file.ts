import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ggufSink } from '@tersor/formats/gguf'
import { picoLlama } from '@tersor/models'
import { anyTokenizer } from '../../conformance/files.js'
import type { Settings } from './serve.js'

/** Tokens of the prompt; the same ids for all sides. */
export const promptOf = (): number[] => Array.from({ length: 16 }, (_, i) => 100 + i * 37)

/** A random network of the Llama kind in Q4_0, written once by our sink and kept among the temporary files for all sides. */
export const llamaFile = async ({ hidden, feedForward, layers, heads, vocabulary }: Settings): Promise<string> => {
  const size = { hidden, feedForward, layers, heads, keyValueHeads: heads, vocabulary } as Record<string, number>
  const path = join(tmpdir(), `tersor-llama-${Object.values(size).join('-')}.q4_0.gguf`)
  if (existsSync(path)) return path
  const { params, rawConfig } = picoLlama({ ...size, context: 1024 })
  const draft = `${path}.${process.pid}`
  const sink = ggufSink(draft, { config: rawConfig, type: 'q4_0', files: anyTokenizer(Number(vocabulary)) })
  for (const name of params.names()) await sink.write(name, await params.read(name))
  await (await sink.finish()).close?.()
  await rename(draft, path)
  return path
}
