import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '@tersor/core'
import { dense, memoryStore, type DType, type ParameterStore } from '@tersor/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'

/** Where the data of the tests stands; they are skipped where it is missing. */
export const DATA = process.env.TERSOR_DATA ?? join(process.cwd(), '../shared/data')

/** describe, or a skipped one that says why. */
export const describeData = (folder: string, title: string, body: () => void): void => {
  if (existsSync(join(DATA, folder))) return describe(title, body)
  console.log(`Skipped: ${title}: ${join(DATA, folder)} is missing; set TERSOR_DATA to the folder that holds it.`)
  describe.skip(title, body)
}

const NAMES: Record<string, DType> = { F32: 'f32', F16: 'f16', BF16: 'bf16', I32: 'i32', I64: 'i64' }

/** A safetensors file in memory. */
export const readTensors = (path: string): ParameterStore => {
  const file = readFileSync(join(DATA, path))
  const length = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__')
  return memoryStore(
    Object.fromEntries(
      entries.map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [from, to],
          },
        ]) => [name, dense(NAMES[dtype], shape, Uint8Array.from(file.subarray(8 + length + from, 8 + length + to)))],
      ),
    ),
  )
}

export const readJson = (path: string): Record<string, any> => JSON.parse(readFileSync(join(DATA, path), 'utf8')) as Record<string, any>

export const readTensor = async (store: ParameterStore, name: string): Promise<Tensor> => decode(await store.read(name))
