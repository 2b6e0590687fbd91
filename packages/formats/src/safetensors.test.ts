import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dense, describe as inWords, fromFloat32, fromIntegers, type Encoded, type Parameter } from '@tersor/tensor'
import { failingFileSystem, failure, temporaryFolder } from './files/failing-file-system.fixture.js'
import { openSafetensors, parseSafetensorsHeader, safetensorsSink } from './safetensors.js'
import { bytesTensor, floats, gated, nested, scaled } from './files/toy-codec.fixture.js'

const codecs = [gated, scaled]
const PROVENANCE = [{ method: 'wanda', options: { sparsity: 0.5 }, seed: 7, version: '0.1.0' }]
let dir: string
beforeEach(async () => {
  dir = await temporaryFolder()
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const save = async (path: string, parameters: Record<string, Parameter>, options = {}) => {
  const sink = safetensorsSink(path, options)
  for (const [name, parameter] of Object.entries(parameters)) await sink.write(name, parameter)
  return sink.finish()
}

/** A file as any tool could write it: header JSON and data. */
const rawFile = (header: unknown, data: number): Uint8Array => {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + text.length + data)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true)
  bytes.set(text, 8)
  return bytes
}
const entry = (begin: number, end: number, dtype = 'U8', shape: unknown = [end - begin]) => ({ dtype, shape, data_offsets: [begin, end] })

describe('writing and reading safetensors', () => {
  it('gives back trees bit for bit, plain tensors plain', async () => {
    const written: Record<string, Parameter> = {
      odd: bytesTensor(1, 2, 3),
      plain: fromFloat32([1, -2, 3.5, 0], 'bf16', [2, 2]),
      w: nested(),
      signed: nested('i4'),
      wide: floats([1, 2], [2]),
      empty: dense('f32', [0, 4], new Uint8Array(0)),
      scalar: fromFloat32([4], 'f64', []),
    }
    const store = await save(`${dir}/a.safetensors`, written, { metadata: { format: 'pt' }, provenance: PROVENANCE })
    expect(store.names()).toEqual(Object.keys(written))
    for (const name of store.names()) expect(await store.read(name)).toEqual(written[name])
    expect(store.metadata).toEqual({ format: 'pt' })
    expect(store.provenance).toEqual(PROVENANCE)
    expect(store.info('w')).toEqual({ shape: [3, 5], byteLength: 2 + 6 + 2, codec: 'gated' })
    expect(store.info('plain')).toEqual({ shape: [2, 2], byteLength: 8, dtype: 'bf16' })
    expect(inWords(await store.read('w'))).toBe('gated{mask: u1, values: scaled{codes: u3, scale: f16}}')
    await store.close()
  })

  it('writes a file that any other reader takes: aligned, without holes, unknown dtypes as flat bytes', async () => {
    await (await save(`${dir}/a.safetensors`, { odd: bytesTensor(9), w: nested(), x: floats([1, 2, 3], [3]) })).close()
    const bytes = new Uint8Array(readFileSync(`${dir}/a.safetensors`))
    const { tensors, metadata } = parseSafetensorsHeader(bytes, bytes.length)
    expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ['odd', 'u8', [1]],
      ['w/mask', 'u8', [2]],
      ['w/values/codes', 'u8', [6]],
      ['w/values/scale', 'f16', [1]],
      ['x', 'f32', [3]],
    ])
    expect(tensors.get('x')!.offset % 8).toBe(0)
    expect(tensors.get('w/values/scale')!.offset % 2).toBe(0)
    expect(Object.keys(metadata)).toEqual(['tersor.written', 'tersor'])
    expect(readdirSync(dir)).toEqual(['a.safetensors'])
  })

  it('keeps what elements under eight bits are, in plain tensors too', async () => {
    const written = {
      zero: fromIntegers([33], 'u6', [1]),
      mask: dense('u1', [3, 3], Uint8Array.of(0b10110101, 1)),
      codes: fromIntegers([-8, 7, 3], 'i4', [3]),
    }
    const store = await save(`${dir}/a.safetensors`, written)
    for (const [name, parameter] of Object.entries(written)) {
      expect(await store.read(name)).toEqual(parameter)
      expect(store.info(name)).toEqual({ dtype: parameter.dtype, shape: parameter.shape, byteLength: parameter.bytes.length })
    }
    await store.close()
  })

  it('gives the same bytes for the same parameters', async () => {
    for (const name of ['a', 'b']) await (await save(`${dir}/${name}.safetensors`, { w: nested(), x: floats([1], [1]) })).close()
    expect(readFileSync(`${dir}/a.safetensors`)).toEqual(readFileSync(`${dir}/b.safetensors`))
  })

  it('reads a Blob, in parallel, and heeds an aborted signal', async () => {
    await (await save(`${dir}/a.safetensors`, { w: nested(), x: floats([1, 2], [2]) })).close()
    const store = await openSafetensors(new Blob([readFileSync(`${dir}/a.safetensors`)]), { codecs })
    const [w, x] = await Promise.all([store.read('w'), store.read('x')])
    expect(w).toEqual(nested())
    expect(x).toEqual(floats([1, 2], [2]))
    await expect(store.read('x', { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    const file = await openSafetensors(`${dir}/a.safetensors`, { codecs })
    await expect(file.read('x', { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    await file.close()
    expect(await failure(() => file.read('x'))).toMatch(/^NOT_FOUND: .* is closed\.\nOpen it again/)
  })

  it('splits into shards with an index, and takes the folder, the index or the name', async () => {
    const parameters = { a: floats([1, 2, 3], [3]), b: floats([4, 5, 6], [3]), w: nested(), c: floats([7], [1]) }
    const path = `${dir}/model.safetensors`
    await (await save(path, parameters, { maxShardBytes: 16, metadata: { format: 'pt' }, provenance: PROVENANCE })).close()
    expect(readdirSync(dir).sort()).toEqual([
      'model-00001-of-00003.safetensors',
      'model-00002-of-00003.safetensors',
      'model-00003-of-00003.safetensors',
      'model.safetensors.index.json',
    ])
    for (const from of [dir, `${path}.index.json`, path]) {
      const store = await openSafetensors(from, { codecs })
      expect(store.names()).toEqual(['a', 'b', 'w', 'c'])
      expect(await store.read('w')).toEqual(parameters.w)
      expect(await store.read('c')).toEqual(parameters.c)
      expect(store.provenance).toEqual(PROVENANCE)
      await store.close()
    }
    await (await save(path, parameters, { overwrite: true })).close()
    expect(readdirSync(dir)).toEqual(['model.safetensors'])
  })

  it('takes writes that overlap in time', async () => {
    const sink = safetensorsSink(`${dir}/a.safetensors`)
    await Promise.all(['a', 'b', 'c'].map((name, i) => sink.write(name, floats([i], [1]))))
    const store = await sink.finish()
    expect(await store.read('b')).toEqual(floats([1], [1]))
    await store.close()
  })
})

describe('failures of writing', () => {
  it('leaves an existing file alone unless told to overwrite', async () => {
    await (await save(`${dir}/a.safetensors`, { x: floats([1], [1]) })).close()
    expect(await failure(() => save(`${dir}/a.safetensors`, { x: floats([2], [1]) }))).toMatch(
      /^OUTPUT_EXISTS: .*a\.safetensors exists\.\nChoose another path, or pass overwrite: true/,
    )
    const store = await save(`${dir}/a.safetensors`, { x: floats([2], [1]) }, { overwrite: true })
    expect(await store.read('x')).toEqual(floats([2], [1]))
    await store.close()
    expect(readdirSync(dir)).toEqual(['a.safetensors'])
  })

  it.each([0, 40, 100])('leaves nothing behind on a disk that is full after %i bytes', async capacity => {
    const fileSystem = failingFileSystem({ capacity })
    expect(await failure(() => save(`${dir}/a.safetensors`, { x: floats([1, 2, 3, 4], [4]) }, { fileSystem }))).toMatch(
      /^DISK: .*a\.safetensors: ENOSPC: no space left on device, write\.\nFree some space/,
    )
    expect(readdirSync(dir)).toEqual([])
  })

  it('says that a disk is read-only, and what other disk errors are', async () => {
    expect(
      await failure(() => save(`${dir}/a.safetensors`, { x: floats([1], [1]) }, { fileSystem: failingFileSystem({ readOnly: true }) })),
    ).toMatch(/^DISK: .*EROFS: .*\nThe disk is read-only: choose another folder\.$/)
    expect(
      await failure(() => save(`${dir}/a.safetensors`, { x: floats([1], [1]) }, { fileSystem: failingFileSystem({ failingRename: 0 }) })),
    ).toMatch(/^DISK: .*EIO: .*\nCheck the disk, then try again\.$/)
    expect(readdirSync(dir)).toEqual([])
  })

  it('puts the old file back where the swap fails', async () => {
    await (await save(`${dir}/a.safetensors`, { x: floats([1], [1]) })).close()
    const fileSystem = failingFileSystem({ failingRename: 1 })
    expect(await failure(() => save(`${dir}/a.safetensors`, { x: floats([2], [1]) }, { fileSystem, overwrite: true }))).toMatch(/^DISK/)
    const store = await openSafetensors(`${dir}/a.safetensors`)
    expect(await store.read('x')).toEqual(floats([1], [1]))
    await store.close()
    expect(readdirSync(dir)).toEqual(['a.safetensors'])
  })

  it('removes everything on abort, and says that the sink is over', async () => {
    const sink = safetensorsSink(`${dir}/a.safetensors`)
    await sink.write('x', floats([1], [1]))
    expect(readdirSync(dir)).toHaveLength(1)
    await sink.abort()
    expect(readdirSync(dir)).toEqual([])
    expect(await failure(() => sink.write('y', floats([1], [1])))).toMatch(/^BAD_OPTION: .*is finished or was aborted\.\nMake a new sink/)
  })

  it('refuses a name twice and attributes that JSON loses', async () => {
    const twice = safetensorsSink(`${dir}/a.safetensors`)
    await twice.write('w', nested())
    expect(await failure(() => twice.write('w/mask', floats([1], [1])))).toBe(
      'BAD_DATA: The name "w/mask" is taken already.\nWrite every parameter once, under a name of its own.',
    )
    expect(await failure(() => twice.finish())).toMatch(/^BAD_DATA/)
    const bad: Encoded = { ...nested(), attrs: { limit: Infinity } }
    expect(await failure(() => save(`${dir}/b.safetensors`, { w: bad }))).toBe(
      'BAD_DATA: Attribute limit of "w" is Infinity.\nJSON holds finite numbers only.',
    )
    expect(readdirSync(dir)).toEqual([])
  })
})

describe('files that are not what they claim', () => {
  const open = (bytes: Uint8Array) => failure(() => openSafetensors(new Blob([bytes as BlobPart]), { codecs }))
  const REMEDY = 'The file is damaged or was not written completely: get it again.'
  const withLength = (length: bigint, size = 64): Uint8Array => {
    const bytes = new Uint8Array(size)
    new DataView(bytes.buffer).setBigUint64(0, length, true)
    return bytes
  }
  it.each<[string, Uint8Array, string]>([
    ['a file too short', new Uint8Array(5), 'A safetensors file starts with 8 bytes of length; this one has 5.'],
    ['an absurd header', withLength(2n ** 63n), 'The header claims 9223372036854775808 bytes; at most 100000000 are read.'],
    ['a header longer than the file', withLength(1000n), 'The header claims 1000 bytes; the file has 64.'],
    ['bytes that are no text', rawFile('{"\u00e9": 1}', 0).map(byte => (byte === 0xc3 ? 0xff : byte)), 'The header is not UTF-8 text.'],
    ['text that is no JSON', rawFile('{"a": ', 0), 'The header is not JSON: '],
    ['a list', rawFile([], 0), 'The header is not an object.'],
    ['deep nesting', rawFile(`${'['.repeat(50)}`, 0), 'The header nests deeper than 4 levels.'],
    ['a name twice', rawFile('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{}}', 0), 'The header has "a" twice.'],
    ['metadata that is no record', rawFile({ __metadata__: { a: 1 } }, 0), '__metadata__ of the header is not a record of strings.'],
    ['an entry that is no object', rawFile({ a: 1 }, 0), 'The header\'s entry of tensor "a" is not an object.'],
    ['an unknown dtype', rawFile({ a: entry(0, 4, 'F31') }, 4), 'Tensor "a" has the unknown dtype "F31".'],
    ['a missing dtype', rawFile({ a: { shape: [], data_offsets: [0, 1] } }, 1), 'Tensor "a" has the unknown dtype none.'],
    ['a negative extent', rawFile({ a: entry(0, 4, 'U8', [-4]) }, 4), 'The shape of tensor "a" is not a list of at most 64 counts.'],
    [
      'too many axes',
      rawFile({ a: entry(0, 1, 'U8', Array(65).fill(1)) }, 1),
      'The shape of tensor "a" is not a list of at most 64 counts.',
    ],
    [
      'a shape that overflows',
      rawFile({ a: entry(0, 4, 'F32', [2 ** 40, 2 ** 40]) }, 4),
      'The shape of tensor "a" multiplies to more than any',
    ],
    ['negative offsets', rawFile({ a: entry(-4, 0, 'U8', [4]) }, 4), 'The offsets of tensor "a" are not a begin and an end.'],
    ['offsets in reverse', rawFile({ a: entry(4, 0, 'U8', [4]) }, 4), 'The offsets of tensor "a" are not a begin and an end.'],
    [
      'offsets beyond numbers',
      rawFile('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,1e999]}}', 4),
      'The offsets of tensor "a" are not',
    ],
    ['a span of another size', rawFile({ a: entry(0, 4, 'F32', [2]) }, 4), 'Tensor "a" takes 8 bytes as f32 [2]; its offsets span 4.'],
    ['a truncated file', rawFile({ a: entry(0, 400) }, 4), 'Tensor "a" ends at byte'],
    ['overlapping tensors', rawFile({ a: entry(0, 4), b: entry(2, 6) }, 6), 'Tensor "b" overlaps another one.'],
    ['a hole', rawFile({ a: entry(0, 2), b: entry(4, 6) }, 6), '2 bytes before tensor "b" belong to no tensor.'],
    ['bytes at the end', rawFile({ a: entry(0, 2) }, 6), 'The last 4 bytes belong to no tensor.'],
  ])('refuses %s', async (_, bytes, text) => {
    const message = await open(bytes)
    expect(message).toContain(`BAD_FILE: ${text}`)
    expect(message.split('\n')).toHaveLength(2)
    if (!/absurd|twice|deeper/.test(_) && message.includes(REMEDY)) expect(message.endsWith(REMEDY)).toBe(true)
  })

  it.each([
    ['BOOL', 'bool', 2],
    ['F8_E8M0', 'f8e8m0', 2],
    ['F4', 'f4', 1],
    ['C64', 'c64', 16],
    ['F64', 'f64', 16],
    ['I64', 'i64', 16],
    ['F8_E4M3FNUZ', 'f8e4m3fnuz', 2],
  ])('copies a buffer of the dtype %s with its bytes and its name', async (stored, dtype, size) => {
    const header = { a: { dtype: stored, shape: [2], data_offsets: [0, size] } }
    const store = await openSafetensors(new Blob([rawFile(header, size) as BlobPart]))
    expect(store.info('a')).toMatchObject({ dtype, shape: [2], byteLength: size })
    const read = await store.read('a')
    const sink = safetensorsSink(`${dir}/copy.safetensors`)
    await sink.write('a', read)
    const copied = await sink.finish()
    expect(copied.info('a').dtype).toBe(dtype)
    expect(await copied.read('a')).toEqual(read)
    await copied.close()
    expect(readFileSync(`${dir}/copy.safetensors`, 'latin1')).toContain(`"dtype":"${stored}"`)
  })

  it('refuses a header that a pure caller cut off', async () => {
    const bytes = rawFile({ a: entry(0, 4) }, 4)
    expect(await failure(() => parseSafetensorsHeader(bytes.subarray(0, 20), bytes.length))).toMatch(
      /^BAD_FILE: The header has .* got 20\.\nPass as many bytes/,
    )
  })

  const leaf = { dtype: 'u3', shape: [4] }
  const tree = (trees: unknown, more: object = {}, data = 2) =>
    rawFile({ __metadata__: { tersor: JSON.stringify({ version: 1, trees, provenance: [], ...more }) }, 'w/codes': entry(0, data) }, data)
  const node = (parts: unknown) => ({ codec: 'scaled', shape: [4], attrs: {}, parts })
  it.each<[string, Uint8Array, string]>([
    ['a later version', tree({}, { version: 2 }), '__metadata__.tersor has version 2; this package reads 1.\nUpdate @tersor/formats'],
    ['no trees', tree(1), '__metadata__.tersor has no trees.'],
    ['a record that is a list', rawFile({ __metadata__: { tersor: '[]' } }, 0), '__metadata__.tersor is not an object.'],
    ['a broken provenance', tree({}, { provenance: [{}] }), '__metadata__.tersor has a provenance that is no list of steps.'],
    ['a node that is no object', tree({ w: 5 }), 'The tree of "w" has a node that is not an object.'],
    [
      'a node without parts',
      tree({ w: { codec: 'scaled', shape: [4], attrs: {} } }),
      'The tree of "w" lacks codec, shape, attrs or parts.',
    ],
    ['a leaf without dtype', tree({ w: node({ codes: {} }) }), 'The tree\'s leaf "w/codes" has no known dtype and shape.'],
    ['a leaf without tensor', tree({ w: node({ scale: leaf }) }), 'The tree\'s leaf "w/scale" is not among the tensors.'],
    ['a leaf of another size', tree({ w: node({ codes: leaf }) }, {}, 3), 'The tree\'s leaf "w/codes" does not fit its tensor.'],
    [
      'a leaf of another dtype',
      tree({ w: node({ codes: { dtype: 'i8', shape: [2] } }) }),
      'The tree\'s leaf "w/codes" does not fit its tensor.',
    ],
    ['a name with two meanings', tree({ 'w/codes': node({}) }), 'Two parameters are called "w/codes".'],
    [
      'a tree too deep',
      tree({ w: JSON.parse(`${'{"parts":'.repeat(60)}1${'}'.repeat(60)}`) }),
      '__metadata__.tersor nests deeper than 35 levels.',
    ],
  ])('refuses trees with %s', async (_, bytes, text) => {
    expect(await open(bytes)).toContain(`BAD_FILE: ${text}`)
  })

  it('says which codec to import', async () => {
    const bytes = tree({ w: { ...node({ codes: leaf }), codec: 'low-rank' } })
    expect(await open(bytes)).toBe(
      'UNKNOWN_CODEC: "w" is stored with the codec low-rank, which was not passed.\n' +
        "Add: import { lowRank } from '@tersor/core' and pass codecs: [lowRank], or import it from the package that made the file.",
    )
  })
})

describe('paths that are not what they should be', () => {
  it('says what is there instead', async () => {
    expect(await failure(() => openSafetensors(`${dir}/none.safetensors`))).toMatch(
      /^NOT_FOUND: There is nothing at .*none\.safetensors\.\nCheck the path\.$/,
    )
    writeFileSync(`${dir}/pytorch_model.bin`, '')
    expect(await failure(() => openSafetensors(dir))).toMatch(
      /^NOT_FOUND: .* has neither model\.safetensors nor model\.safetensors\.index\.json; it has pytorch_model\.bin\.\nPass the folder/,
    )
  })

  it.each([
    ['no weight_map', '{}', /^BAD_FILE: .*index\.json has no weight_map\.\n/],
    ['a path outside', '{"weight_map":{"a":"../b"}}', /^BAD_FILE: .* places tensor "a" in "\.\.\/b"\.\nShards lie beside the index\.$/],
    ['a missing shard', '{"weight_map":{"a":"b"}}', /^NOT_FOUND: There is nothing at .*\/b\./],
    ['text that is no JSON', '{', /^BAD_FILE: .*index\.json is not JSON: /],
  ])('refuses an index with %s', async (_, text, error) => {
    writeFileSync(`${dir}/model.safetensors.index.json`, text)
    expect(await failure(() => openSafetensors(dir))).toMatch(error)
  })

  it('refuses an index that promises a tensor which its shard lacks, and too many shards', async () => {
    writeFileSync(`${dir}/b`, rawFile({ a: entry(0, 4) }, 4))
    writeFileSync(`${dir}/model.safetensors.index.json`, '{"weight_map":{"a":"b","c":"b"}}')
    expect(await failure(() => openSafetensors(dir))).toMatch(/^BAD_FILE: The index places tensor "c" in .*\/b, which lacks it\.\n/)
    const map = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`t${i}`, `f${i}`]))
    writeFileSync(`${dir}/model.safetensors.index.json`, JSON.stringify({ weight_map: map }))
    expect(await failure(() => openSafetensors(dir))).toMatch(
      /^BAD_FILE: .* names 1001 shards; at most 1000 are opened\.\nUse larger shards\.$/,
    )
  })

  it('refuses an index that is too long before it reads it', async () => {
    writeFileSync(`${dir}/model.safetensors.index.json`, '')
    truncateSync(`${dir}/model.safetensors.index.json`, 100_000_001)
    expect(await failure(() => openSafetensors(dir))).toMatch(
      /^BAD_FILE: .*index\.json has 100000001 bytes; at most 100000000 are read\.\n/,
    )
  })

  it('says that a browser has no paths', async () => {
    const { getBuiltinModule } = process
    try {
      Object.assign(process, { getBuiltinModule: undefined })
      expect(await failure(() => openSafetensors('model.safetensors'))).toBe(
        'UNSUPPORTED: There is no file system here.\nPass a Blob instead of a path.',
      )
    } finally {
      Object.assign(process, { getBuiltinModule })
    }
  })

  it('notices a file that shrank after it was opened', async () => {
    await (await save(`${dir}/a.safetensors`, { x: floats([1, 2, 3, 4], [4]) })).close()
    const store = await openSafetensors(`${dir}/a.safetensors`)
    writeFileSync(`${dir}/a.safetensors`, readFileSync(`${dir}/a.safetensors`).subarray(0, 80))
    expect(await failure(() => store.read('x'))).toMatch(/^BAD_FILE: .* ends at byte \d+; bytes \d+ to \d+ are missing\.\n/)
    expect(await failure(() => store.read('y'))).toMatch(/^NOT_FOUND: No parameter is called "y"\./)
    await store.close()
  })

  it('needs a folder where it writes', async () => {
    writeFileSync(`${dir}/file`, '')
    expect(await failure(() => save(`${dir}/file/a.safetensors`, { x: floats([1], [1]) }))).toMatch(/^DISK: .*ENOTDIR/)
    await mkdir(`${dir}/sub`)
    await (await save(`${dir}/sub/deeper/a.safetensors`, { x: floats([1], [1]) })).close()
    expect(readdirSync(`${dir}/sub/deeper`)).toEqual(['a.safetensors'])
  })
})
