import { createRng } from '@tersor/core'
import { readFileSync } from 'node:fs'
import { concatenate, mutate, TEXT, tries } from './files/mutations.fixture.js'
import { openQuantized } from './huggingface/quantized/open.js'
import { openSafetensors, safetensorsHeaderBytes } from './safetensors.js'

/** A tensor as a file has it. */
export interface Raw {
  readonly shape: readonly number[]
  readonly dtype: string
  readonly bytes: Buffer
}

/** The tensors of a folder, by a reader that knows nothing of ours. */
export const rawTensors = (dir: string): Record<string, Raw> => {
  const file = readFileSync(`${dir}/model.safetensors`)
  const length = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: number[] }
  >
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__')
  return Object.fromEntries(
    entries.map(([name, { dtype, shape, data_offsets: [from, to] }]) => [name, { dtype, shape, bytes: file.subarray(8 + length + from, 8 + length + to) }]), // prettier-ignore
  )
}

export const FOLDERS = tries(2000)
const LONGEST_MS = 2000

/** Opens a folder FOLDERS times with damage in header or config: each gives a model or a coded error of two lines, in bounded time. Returns how many were refused. */
export const damageFolder = async (dir: string, seed: number): Promise<number> => {
  const file = new Uint8Array(readFileSync(`${dir}/model.safetensors`))
  const text = new Uint8Array(readFileSync(`${dir}/config.json`))
  const end = safetensorsHeaderBytes(file, file.length)
  const rng = createRng(seed)
  let refused = 0
  for (let i = 0; i < FOLDERS; i++) {
    const header = rng.uniform() < 0.6 ? mutate(file.subarray(8, end), TEXT, rng) : file.slice(8, end)
    const damaged = concatenate(new Uint8Array(BigUint64Array.of(BigInt(header.length)).buffer), header, file.subarray(end))
    const description = rng.uniform() < 0.6 ? mutate(text, TEXT, rng) : text
    let parsed: unknown
    try {
      parsed = JSON.parse(new TextDecoder().decode(description))
    } catch {
      continue // refused by the reader of config.json, which has its own mutations
    }
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) continue
    const started = performance.now()
    try {
      const opened = await openQuantized(await openSafetensors(new Blob([damaged as BlobPart])), parsed as Record<string, unknown>)
      for (const name of opened?.params.names() ?? []) await opened!.params.read(name)
    } catch (error) {
      refused++
      if ((error as Error).name !== 'CompressionError' || (error as Error).message.split('\n').length !== 2)
        throw new Error(`folder ${i}: ${Buffer.from(description).toString()} ${Buffer.from(header).toString()}`, { cause: error })
    }
    expect(performance.now() - started).toBeLessThan(LONGEST_MS)
  }
  return refused
}
