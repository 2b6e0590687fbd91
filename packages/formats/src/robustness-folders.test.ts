import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import {
  affineOf,
  bitmaskOf,
  codebookOf,
  CORE_CODECS,
  createRng,
  decode,
  factoredOf,
  maskedOf,
  permutedOf,
  sumOf,
  type Rng,
} from '@tersor/core'
import { fromFloat32, type Parameter, type ParameterStore } from '@tersor/tensor'
import { temporaryFolder } from './files/failing-file-system.fixture.js'
import { gptqSink } from './gptq.js'
import { openHuggingFace } from './huggingface.js'
import { openImatrix, writeImatrix } from './imatrix.js'
import { BINARY, mutate, TEXT, tries } from './files/mutations.fixture.js'
import { openSafetensors, safetensorsHeaderBytes, safetensorsSink } from './safetensors.js'
import { scratchFolder } from './scratch.js'
import { encodeRecord } from './scratch/journal.js'
import type { JournalRecord } from './scratch/journal-record.js'
import { openTfjs } from './tfjs.js'

const MUTATIONS = tries(500)
/** What a file of some kilobytes may cost at most: far below what it can claim. */
const LARGEST_ALLOCATION = 16 << 20

let folder = ''
beforeAll(() => tf.setBackend('cpu'))
beforeEach(async () => (folder = await temporaryFolder()))
afterEach(() => rm(folder, { recursive: true, force: true }))

const floats = (...shape: number[]) =>
  fromFloat32(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
    'f32',
    shape,
  )
const codes = affineOf({ shape: [2, 32], bits: 4, group: 32, codes: new Uint8Array(64).fill(5), scales: [0.5, 0.25] })
const half = Array.from({ length: 64 }, (_, i) => i % 2)

/** One of each tree whose parts can contradict each other. */
const TREES: Readonly<Record<string, Parameter>> = {
  masked: maskedOf(half, codes),
  packed: bitmaskOf(half, [2, 32], floats(2, 16)),
  levels: codebookOf({ shape: [2, 32], table: 'nf4', block: 32, codes: new Uint8Array(64), scale: floats(2, 1) }),
  thin: sumOf(factoredOf(floats(2, 1), floats(1, 3)), floats(2, 3)),
  turned: permutedOf([2, 0, 1], floats(2, 3)),
}

/** Reads all of a store as a run would: every tree is decoded. Gives nothing back. */
const useAll = async (params: ParameterStore): Promise<void> => {
  for (const name of params.names()) {
    params.info(name)
    decode(await params.read(name)).dispose()
  }
}

const writeAll = async (path: string, parameters: Readonly<Record<string, Parameter>>, maxShardBytes?: number): Promise<void> => {
  const sink = safetensorsSink(path, { ...(maxShardBytes ? { maxShardBytes } : {}), overwrite: true })
  for (const [name, parameter] of Object.entries(parameters)) await sink.write(name, parameter)
  await (await sink.finish()).close()
}

/** Runs what reads a damaged file; every answer is a result or a coded error of two lines, in bounded memory, without tensors left behind. */
const isAnswered = async (what: string, read: () => Promise<unknown>): Promise<boolean> => {
  const [tensors, before] = [tf.memory().numTensors, process.memoryUsage()]
  const refused = await read().then(
    () => false,
    (error: Error) => {
      if (error.name === 'CompressionError' && error.message.split('\n').length === 2 && !/[\p{Cc}]/u.test(error.message.replace('\n', '')))
        return true
      throw new Error(what, { cause: error })
    },
  )
  const after = process.memoryUsage()
  expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(LARGEST_ALLOCATION)
  expect(tf.memory().numTensors).toBe(tensors)
  return refused
}

interface Reader {
  /** Makes the files; gives those that are damaged, as text or bytes. */
  readonly make: () => Promise<{ readonly path: string; readonly bytes: Uint8Array; readonly kind: typeof TEXT }>
  readonly read: (path: string) => Promise<unknown>
  /** Whether reading goes on writing, so that the files are made anew each time. */
  readonly changesFiles?: boolean
  readonly damage?: (bytes: Uint8Array, rng: Rng) => Uint8Array
}

const textOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const bytesAt = async (path: string): Promise<Uint8Array> => new Uint8Array(await readFile(path))

/** The record that a text is; another one where it is no JSON, since such a line counts as torn. */
const recordOf = (text: string): JournalRecord => {
  try {
    return JSON.parse(text) as JournalRecord
  } catch {
    return { kind: text } as unknown as JournalRecord
  }
}

/** A journal with one of its records damaged and all checksums right. */
const rewritten = (bytes: Uint8Array, rng: Rng): Uint8Array => {
  const texts = new TextDecoder().decode(bytes).trimEnd().split('\n').map(line => line.slice(17)) // prettier-ignore
  const chosen = rng.integer(texts.length)
  let last = ''
  const lines = texts.map((text, i) => {
    const damaged = i === chosen ? new TextDecoder().decode(mutate(new TextEncoder().encode(text), TEXT, rng)) : text
    const { line, checksum } = encodeRecord(recordOf(damaged), last)
    last = checksum
    return line
  })
  return new TextEncoder().encode(lines.join(''))
}

const FINGERPRINT = { seed: '1' }

const READERS: Readonly<Record<string, Reader>> = {
  'trees of our own files': {
    make: async () => {
      await writeAll(`${folder}/x.safetensors`, TREES)
      return { path: `${folder}/x.safetensors`, bytes: await bytesAt(`${folder}/x.safetensors`), kind: TEXT }
    },
    damage: (bytes, rng) => {
      const end = safetensorsHeaderBytes(bytes, bytes.length)
      const text = mutate(bytes.subarray(8, end), TEXT, rng)
      return Buffer.concat([new Uint8Array(BigUint64Array.of(BigInt(text.length)).buffer), text, bytes.subarray(end)])
    },
    read: async path => {
      const store = await openSafetensors(path, { codecs: CORE_CODECS })
      await useAll(store).finally(() => store.close())
    },
  },
  'an index of shards': {
    make: async () => {
      await writeAll(`${folder}/model.safetensors`, { a: floats(2), b: floats(3), c: floats(4) }, 12)
      const path = `${folder}/model.safetensors.index.json`
      return { path, bytes: await bytesAt(path), kind: TEXT }
    },
    read: async path => {
      const store = await openSafetensors(path)
      await useAll(store).finally(() => store.close())
    },
  },
  'the config of a quantized folder': {
    make: async () => {
      const sink = gptqSink(`${folder}/q`, { config: { model_type: 'llama' }, files: {} })
      await sink.write(
        'model.layers.0.mlp.up_proj.weight',
        affineOf({ shape: [32, 32], bits: 4, group: 32, codes: new Uint8Array(1024), scales: new Float32Array(32).fill(0.5) }),
      )
      await (await sink.finish()).close?.()
      return { path: `${folder}/q/config.json`, bytes: await bytesAt(`${folder}/q/config.json`), kind: TEXT }
    },
    read: async path => {
      const { params, close } = await openHuggingFace(path.replace('/config.json', ''), { codecs: CORE_CODECS })
      await useAll(params).finally(close)
    },
  },
  'an importance matrix': {
    make: async () => {
      const entries = new Map([['blk.0.ffn_up.weight', { sums: Float32Array.of(1, 2, 3, 4), calls: [2] }]])
      await writeImatrix(`${folder}/x.dat`, { entries, chunks: 1, datasets: ['text'] }, { overwrite: true })
      return { path: `${folder}/x.dat`, bytes: await bytesAt(`${folder}/x.dat`), kind: BINARY }
    },
    read: path => openImatrix(path),
  },
  'the manifest of a tfjs model': {
    make: async () => {
      const strings = { name: 's', shape: [2], dtype: 'string' }
      const weights = [strings, { name: 'a', shape: [2], dtype: 'float32', quantization: { dtype: 'uint8', scale: 0.5, min: 0 } }]
      await mkdir(`${folder}/t`)
      await writeFile(`${folder}/t/w.bin`, Uint8Array.of(1, 0, 0, 0, 65, 0, 0, 0, 0, 1, 2))
      return {
        path: `${folder}/t/model.json`,
        bytes: textOf({ modelTopology: {}, weightsManifest: [{ paths: ['w.bin'], weights }] }),
        kind: TEXT,
      }
    },
    read: async path => {
      const model = await openTfjs(path)
      await useAll(model.params).finally(model.close)
    },
  },
  'the journal of a stopped run': {
    make: async () => {
      const scratch = scratchFolder(`${folder}/run`)
      await scratch.begin(FINGERPRINT, false)
      const unit = await scratch.save('0-0', new Map([['w', floats(2)]]), [{ type: 'warning', pass: 'rtn', message: 'few' }])
      await unit.close?.()
      await scratch.close()
      return { path: `${folder}/run/journal`, bytes: await bytesAt(`${folder}/run/journal`), kind: TEXT }
    },
    damage: rewritten,
    changesFiles: true,
    read: async path => {
      const scratch = scratchFolder(path.replace('/journal', ''))
      try {
        await scratch.begin(FINGERPRINT, true)
        const found = await scratch.find('0-0')
        found?.events.forEach(({ type }) => expect(type).toEqual(expect.any(String)))
        if (found) await useAll(found.params).finally(() => found.params.close?.())
      } finally {
        await scratch.close()
      }
    },
  },
}

it.each(Object.entries(READERS))(
  `gives ${MUTATIONS} coded errors or models for damage in %s, in bounded memory`,
  async (name, { make, read, damage, changesFiles }) => {
    const { path, bytes, kind } = await make()
    const rng = createRng(31)
    let refused = 0
    for (let i = 0; i < MUTATIONS; i++) {
      const damaged = damage ? damage(bytes, rng) : mutate(bytes, kind, rng)
      await writeFile(path, damaged)
      if (await isAnswered(`${name} ${i}: ${Buffer.from(damaged).toString('base64')}`, () => read(path))) refused++
      if (changesFiles) await rm(`${folder}/run`, { recursive: true, force: true }).then(make)
    }
    expect(refused).toBeGreaterThan(MUTATIONS / 5)
  },
)

const safetensors = (header: object, data = 0): Uint8Array => {
  const text = textOf(header)
  return Buffer.concat([new Uint8Array(BigUint64Array.of(BigInt(text.length)).buffer), text, new Uint8Array(data)])
}
const treeFile = (tree: object): Uint8Array =>
  safetensors(
    {
      __metadata__: { tersor: JSON.stringify({ version: 1, trees: { w: tree }, provenance: [] }) },
      'w/a': { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
    },
    4,
  )
const leaf = { dtype: 'f32', shape: [1] }

const openTrees = async (path: string): Promise<void> => {
  const store = await openSafetensors(path, { codecs: CORE_CODECS })
  await useAll(store).finally(() => store.close())
}
const openManifest = async (path: string): Promise<void> => {
  const model = await openTfjs(path)
  await useAll(model.params).finally(model.close)
}
const manifestOf = (...weights: object[]): Uint8Array => textOf([{ paths: ['self.bin'], weights }])

it.each<readonly [what: string, bytes: Uint8Array, open: (path: string) => Promise<unknown>]>([
  ['a tensor of a billion numbers', safetensors({ w: { dtype: 'F32', shape: [1e9], data_offsets: [0, 4e9] } }, 4), openTrees],
  ['a tree that stands for a billion numbers', treeFile({ codec: 'masked', shape: [1e9], attrs: {}, parts: { mask: leaf } }), openTrees],
  [
    'codes in groups of a billion',
    treeFile({ codec: 'ranged', shape: [1, 1], attrs: { group: 1e9 }, parts: { data: leaf, scale: leaf } }),
    openTrees,
  ],
  ['a name over several lines', safetensors({ 'a\nb\u001b[2J': { dtype: 'F99', shape: [], data_offsets: [0, 0] } }), openTrees],
  [
    'an index that leads to a name with a null byte',
    textOf({ weight_map: { a: 'x\0y.safetensors' } }),
    path => openSafetensors(path.replace(/bin$/, 'index.json')),
  ],
  ['an importance matrix of two billion entries', Buffer.from(Int32Array.of(2 ** 31 - 1, 4).buffer), openImatrix],
  ['one whose name has a billion bytes', Buffer.from(Int32Array.of(1, 1e9, 0, 0, 0).buffer), openImatrix],
  ['a manifest of a billion numbers', manifestOf({ name: 'a', shape: [1e9], dtype: 'float32' }), openManifest],
  ['a manifest of a billion strings', manifestOf({ name: 'a', shape: [1e9], dtype: 'string' }), openManifest],
  ['nesting of a hundred thousand levels', new TextEncoder().encode('['.repeat(1e5)), openManifest],
])('takes no memory for %s', async (what, bytes, open) => {
  await writeFile(`${folder}/self.bin`, bytes)
  await writeFile(`${folder}/self.index.json`, bytes)
  expect(await isAnswered(what, () => open(`${folder}/self.bin`))).toBe(true)
})

it('calls a name with a null byte in an index what it is', async () => {
  const path = `${folder}/model.safetensors.index.json`
  await writeFile(path, JSON.stringify({ weight_map: { a: 'x\0y' } }))
  await expect(openSafetensors(path)).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: `${path} places tensor "a" in "x\\u0000y".\nShards lie beside the index.`,
  })
  await expect(openSafetensors('a\0b')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: '"a\\u0000b" is no path.\nA path has no null bytes: check the name.',
  })
})
