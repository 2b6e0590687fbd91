import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createRng } from '@tersor/core'
import { failingFileSystem, failure, temporaryFolder } from '../files/failing-file-system.fixture.js'
import { importanceOf, openImatrix, writeImatrix, type Imatrix, type ImatrixForm } from '../imatrix.js'
import { BINARY, mutate, tries } from '../files/mutations.fixture.js'

const MUTATIONS = tries(2500)
const LARGEST_ALLOCATION = 64 << 20
const LONGEST_MS = 2000

const imatrix: Imatrix = {
  entries: new Map([
    ['blk.0.attn_q.weight', { sums: Float32Array.of(1, 2, 0, 8), calls: [4] }],
    ['blk.0.ffn_down.weight', { sums: Float32Array.of(3, 0.1), calls: [3] }],
  ]),
  chunks: 7,
  chunkSize: 512,
  datasets: ['calibration.txt'],
}
const experts: Imatrix = {
  entries: new Map([['blk.0.ffn_up_exps.weight', { sums: Float32Array.of(1, 3, 0, 0, 10, 20), calls: [2, 0, 10] }]]),
  chunks: 1,
  chunkSize: 0,
  datasets: [],
}

let dir: string
let path: string
beforeEach(async () => {
  dir = await temporaryFolder()
  path = `${dir}/imatrix`
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const i32 = (...values: readonly number[]): readonly number[] => [...new Uint8Array(Int32Array.from(values).buffer)]
const f32 = (...values: readonly number[]): readonly number[] => [...new Uint8Array(Float32Array.from(values).buffer)]
const text = (value: string): readonly number[] => [...i32(value.length), ...new TextEncoder().encode(value)]
const blob = (...pieces: readonly (readonly number[])[]): Blob => new Blob([Uint8Array.from(pieces.flat())])

describe.each<ImatrixForm>(['gguf', 'dat'])('an importance matrix as %s', form => {
  it('comes back as it was written', async () => {
    await writeImatrix(path, imatrix, { form })
    const read = await openImatrix(path)
    const { chunkSize, ...older } = imatrix
    expect(read).toEqual(form === 'gguf' ? { ...older, chunkSize } : older)
    expect(importanceOf(read.entries.get('blk.0.attn_q.weight')!)).toEqual(Float32Array.of(0.25, 0.5, 0, 2))
    const again = `${path}-again`
    await writeImatrix(again, read, { form })
    if (form === 'dat') expect(readFileSync(again)).toEqual(readFileSync(path))
  })

  it('keeps the means of experts, with ones for those that never ran', async () => {
    await writeImatrix(path, experts, { form })
    const entry = (await openImatrix(path)).entries.get('blk.0.ffn_up_exps.weight')!
    expect(importanceOf(entry)).toEqual(Float32Array.of(0.5, 1.5, 1, 1, 1, 2))
    if (form === 'gguf') expect(entry.calls).toEqual([2, 0, 10])
  })

  it('refuses what is no importance matrix', async () => {
    const write = (entry: { sums: Float32Array; calls: number[] }, name = 'a'): Promise<string> =>
      failure(() => writeImatrix(path, { ...imatrix, entries: new Map([[name, entry]]) }, { form }))
    const text = 'BAD_DATA: The entry "a" is no list of sums of squares with their counts.\nSums are finite'
    expect(await write({ sums: Float32Array.of(NaN), calls: [1] })).toContain(text)
    expect(await write({ sums: Float32Array.of(-1), calls: [1] })).toContain(text)
    expect(await write({ sums: Float32Array.of(1), calls: [] })).toContain(text)
    expect(await write({ sums: Float32Array.of(1, 2, 3), calls: [1, 1] })).toContain(text)
    expect(await write({ sums: Float32Array.of(1), calls: [0.5] })).toContain(text)
    expect(await failure(() => writeImatrix(path, { ...imatrix, entries: new Map() }, { form }))).toBe(
      'BAD_DATA: The importance matrix has no entries.\nCalibrate first.',
    )
  })

  it('does not replace a file unasked, and leaves nothing behind on a full disk', async () => {
    await writeImatrix(path, imatrix, { form })
    expect(await failure(() => writeImatrix(path, experts, { form }))).toMatch(/^OUTPUT_EXISTS/)
    await writeImatrix(path, experts, { form, overwrite: true })
    expect((await openImatrix(path)).entries.size).toBe(1)
    expect(await failure(() => writeImatrix(`${path}2`, imatrix, { form, fileSystem: failingFileSystem({ capacity: 10 }) }))).toMatch(
      /^DISK/,
    )
    expect(await failure(() => openImatrix(`${path}2`))).toMatch(/^NOT_FOUND/)
  })

  it(`gives ${MUTATIONS} coded errors or matrices for damaged files, in bounded time and memory`, async () => {
    await writeImatrix(path, imatrix, { form })
    const file = new Uint8Array(readFileSync(path))
    const rng = createRng(form === 'gguf' ? 5 : 6)
    let [refused, longest, largest] = [0, 0, 0]
    for (let i = 0; i < MUTATIONS; i++) {
      const mutated = mutate(file, BINARY, rng)
      const before = process.memoryUsage().arrayBuffers
      const started = performance.now()
      await openImatrix(new Blob([mutated])).catch((error: Error) => {
        refused++
        if (error.name !== 'CompressionError' || error.message.split('\n').length !== 2)
          throw new Error(`file ${i} (${Buffer.from(mutated).toString('base64')})`, { cause: error })
      })
      longest = Math.max(longest, performance.now() - started)
      largest = Math.max(largest, process.memoryUsage().arrayBuffers - before)
    }
    expect(longest).toBeLessThan(LONGEST_MS)
    expect(largest).toBeLessThan(LARGEST_ALLOCATION)
    expect(refused).toBeGreaterThan(MUTATIONS / 3)
  })
})

describe('a .dat file made by hand', () => {
  it('is read without the end that older writers left out', async () => {
    const read = await openImatrix(blob(i32(1), text('a'), i32(2, 2), f32(1, 4)))
    expect(read).toEqual({ entries: new Map([['a', { sums: Float32Array.of(1, 4), calls: [2] }]]), chunks: 0, datasets: [] })
    expect((await openImatrix(blob(i32(1), text('a'), i32(2, 2), f32(1, 4), i32(9)))).chunks).toBe(9)
  })

  it.each<[string, Blob, string]>([
    ['nothing', blob(), 'The list of entries needs 4 bytes from byte 0 on; the file has 0.'],
    ['no entries', blob(i32(0)), 'The importance matrix has no entries.'],
    ['fewer than none', blob(i32(-1)), 'The list of entries claims -1 items.'],
    ['more entries than bytes', blob(i32(2 ** 31 - 1)), 'The list of entries needs 36507221999 bytes from byte 4 on; the file has 4.'],
    ['a name of no end', blob(i32(1), i32(5000), new Array<number>(5000).fill(65)), 'The name of entry 0 claims 5000 bytes; at most 4096'],
    ['an entry twice', blob(i32(2), text('a'), i32(1, 1), f32(1), text('a'), i32(1, 1), f32(1)), 'The entry "a" comes twice.'],
    ['an empty entry', blob(i32(1), text('a'), i32(1, 0), i32(1, 1)), 'The entry "a" has 0 sums for 1 counts.'],
    ['a negative sum', blob(i32(1), text('a'), i32(1, 1), f32(-1)), 'The entry "a" has a sum of squares that is negative or not finite.'],
    ['a negative count', blob(i32(1), text('a'), i32(-1, 1), f32(1)), 'The entry "a" has a count below zero.'],
    [
      'more than its end',
      blob(i32(1), text('a'), i32(1, 1), f32(1), i32(1), text('t'), [0, 0]),
      'The file goes on for 2 bytes after its end.',
    ],
  ])('is refused with %s', async (_, file, message) => {
    expect(await failure(() => openImatrix(file))).toContain(`BAD_FILE: ${message}`)
  })
})

it('refuses GGUF files of other kinds, forms that do not exist and files without end', async () => {
  await writeImatrix(path, imatrix)
  const bytes = readFileSync(path)
  bytes[bytes.indexOf('general.type') + 24] = 0x49 // "Imatrix"
  expect(await failure(() => openImatrix(new Blob([bytes])))).toContain('BAD_FILE: The GGUF file is no importance matrix.')
  expect(await failure(() => writeImatrix(path, imatrix, { form: 'npz' as never }))).toBe(
    'BAD_OPTION: There is no form "npz".\nForms are gguf, dat.',
  )
  const large = { size: 2 ** 31, slice: () => new Blob() } as unknown as Blob
  expect(await failure(() => openImatrix(large))).toContain('BAD_FILE: The blob has 2147483648 bytes; at most 1073741824 are read.')
})
