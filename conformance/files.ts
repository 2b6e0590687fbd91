import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Parameter, ParameterStore } from '@tersor/tensor'
import { ggufSink, type GgufReport, type GgufSinkOptions } from '@tersor/formats/gguf'

/** Runs with a folder that is gone afterwards. */
export const withFolder = async <T>(work: (folder: string) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'tersor-conformance-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Writes a store as GGUF, each parameter changed on the way where `change` is given. */
export const writeGguf = async (
  path: string,
  params: ParameterStore,
  options: GgufSinkOptions,
  change: (name: string, parameter: Parameter) => Parameter = (_, parameter) => parameter,
): Promise<readonly GgufReport[]> => {
  const sink = ggufSink(path, options)
  for (const name of params.names()) await sink.write(name, change(name, await params.read(name)))
  const store = await sink.finish()
  await store.close?.()
  return store.report
}

/** A tokenizer.json with so many tokens and no merges: llama.cpp wants one, and the tests pass ids. */
export const anyTokenizer = (size: number): Readonly<Record<string, Uint8Array>> => {
  const vocab = Object.fromEntries(Array.from({ length: size }, (_, id) => [String.fromCharCode(0x4e00 + id), id]))
  return { 'tokenizer.json': new TextEncoder().encode(JSON.stringify({ model: { type: 'BPE', vocab, merges: [] } })) }
}
