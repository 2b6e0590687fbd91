import { createHash } from 'node:crypto'
import { createRng } from '@tersor/core'
import { encodeF16 } from '@tersor/tensor'
import { decodeBlocks, encodeBlocks, encodeIq4NlReference, TENSOR_TYPES, type BlockTypeName } from '../gguf.js'
import { nearestInt } from '../../../kernels/src/blocks/nearest.js'

/**
 * Recorded from ggml_quantize_chunk (the libggml of @node-llama-cpp/linux-x64 3.22.1) on the weights and importance below, in
 * rows of 512: the first bytes, then hashes of all bytes without and with importance. `npm run conformance` asks ggml itself.
 */
const RECORDED: readonly (readonly [BlockTypeName, string, string, string])[] = [
  ['q4_0', 'e2ba5746265cf57da058699a97427da359d7', '76d0b5e83a95525b', '636155370f76c090'],
  ['q4_1', '4f3bd3c6b8bad9b30b836fb8a76669bd825c', '43d90fbafa6d0682', '289ecd4d4ef0f62d'],
  ['q5_0', 'e2b6285350a69e8b4c99f9ea40afc2333d75', '17630cfd41027f92', '2f233ebe32107993'],
  ['q5_1', '1337d3c6d7acaf596184b4670615cf604ddd', 'd7a0d511abe991bb', 'f03bdeed19758f3e'],
  ['q8_0', 'f02a102422bc37af7f05f0e8165aab53ee14', '69043e05c39c951f', '69043e05c39c951f'],
  ['q2_k', '122212222343342378668724acaaffbb15d9', '3143c06fe40e12e0', 'dbded33c4ef3d913'],
  ['q3_k', 'd9648c956a7f5cafe12dfe72f9d8bfac4f07', '05763b05c195bf5f', 'c2f9f471dbb8ca74'],
  ['q4_k', 'b32faf3a48488fcf48478fd0cbe9beff78c9', 'f4737211edbad2ec', '442d1e9d7d57ad02'],
  ['q5_k', '002bb53a4847cfd048478ed0cedbc2ff079b', '73490cd2b02c59e7', '36ebbb46313585db'],
  ['q6_k', '9c470810834342ffa4360b0b14ccc4cb5ed1', '1dc6083acf8bdc0e', '73ef85b695f547df'],
  ['iq4_nl', '4aab4735254df47da04759aaa6327eb249d6', '819c1ab3e8fb3a7b', '10d34b30428fae7d'],
  ['iq4_xs', '3b235509cc88d2064735254df47da04759aa', '8803b2771e21faf4', '00d498868debc429'],
  ['mxfp4', '7f5264645ef51eb7514aaba2662ec65ae27f', '9bd951ce080f4a68', '9bd951ce080f4a68'],
]
const TYPES = RECORDED.map(([type]) => type)
const weights = Float32Array.from({ length: 2048 }, (_, i) => Math.sin(i * i * 0.37 + 1) * (1 + (i % 7)) * 2 ** ((i >> 6) % 5))
const importance = Float32Array.from({ length: 512 }, (_, i) => ((i * 37) % 101) / 16)

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16)

it('has recorded bytes of every block type', () => {
  expect([...TYPES].sort()).toEqual(
    Object.entries(TENSOR_TYPES)
      .flatMap(([name, row]) => ('format' in row ? [name] : []))
      .sort(),
  )
})

describe.each(RECORDED)('%s', (type, start, plain, weighted) => {
  const { block, bytes } = TENSOR_TYPES[type]

  it('gives the bytes that ggml gave', () => {
    const encoded = encodeBlocks(type, weights)
    expect(Buffer.from(encoded.subarray(0, start.length / 2)).toString('hex')).toBe(start)
    expect(hash(encoded)).toBe(plain)
    expect(hash(encodeBlocks(type, weights, { importance }))).toBe(weighted)
  })

  it('gives zeros for zeros', () => {
    for (const options of [{}, { importance: new Float32Array(512).fill(1) }, { importance: new Float32Array(512) }]) {
      const encoded = encodeBlocks(type, new Float32Array(1024), options)
      expect(encoded.length).toBe((1024 / block) * bytes)
      expect(decodeBlocks(type, encoded).every(value => value === 0)).toBe(true)
    }
  })

  it('comes near with columns that do not matter at all', () => {
    const encoded = encodeBlocks(type, weights, { importance: new Float32Array(512) })
    expect(decodeBlocks(type, encoded).every(Number.isFinite)).toBe(true)
  })

  it('refuses incomplete blocks', () => {
    const code = expect.objectContaining({ code: 'SHAPE' })
    expect(() => encodeBlocks(type, new Float32Array(block + 1))).toThrow(code)
    expect(() => decodeBlocks(type, new Uint8Array(bytes + 1))).toThrow(code)
    expect(() => encodeBlocks(type, new Float32Array(2 * block), { importance: new Float32Array(block / 2) })).toThrow(code)
    expect(() => encodeBlocks(type, new Float32Array(2 * block), { importance: new Float32Array(3 * block) })).toThrow(code)
    expect(() => encodeBlocks(type, new Float32Array(block), { importance: new Float32Array(0) })).toThrow(code)
  })
})

const rng = createRng(1)
const normals = Float32Array.from({ length: 1 << 14 }, rng.normal)
const errorOf = (type: BlockTypeName, options?: { importance: Float32Array }): number => {
  const decoded = decodeBlocks(type, encodeBlocks(type, normals, options))
  let error = 0
  let power = 0
  for (let i = 0; i < normals.length; i++) {
    error += (options ? options.importance[i % 512] : 1) * (decoded[i] - normals[i]) ** 2
    power += (options ? options.importance[i % 512] : 1) * normals[i] ** 2
  }
  return Math.sqrt(error / power)
}

it('errs as much as the bits allow, on normal weights', () => {
  const bounds: Record<string, number> = {
    q2_k: 0.35,
    q3_k: 0.17,
    q4_0: 0.1,
    q4_1: 0.085,
    q4_k: 0.075,
    iq4_nl: 0.09,
    iq4_xs: 0.09,
    mxfp4: 0.13,
    q5_0: 0.05,
    q5_1: 0.042,
    q5_k: 0.04,
    q6_k: 0.022,
    q8_0: 0.007,
  }
  for (const type of TYPES) {
    const error = errorOf(type)
    expect({ type, error, within: error < bounds[type] && error > bounds[type] / 2 }).toMatchObject({ within: true })
  }
})

it('errs less where importance says', () => {
  const columns = Float32Array.from({ length: 512 }, (_, i) => (i % 8 === 0 ? 100 : 1))
  const weightedError = (type: BlockTypeName, given: Float32Array): number => {
    const decoded = decodeBlocks(type, encodeBlocks(type, normals, { importance: given }))
    return decoded.reduce((sum, value, i) => sum + columns[i % 512] * (value - normals[i]) ** 2, 0)
  }
  const flat = new Float32Array(512).fill(1)
  for (const type of TYPES.filter(name => name !== 'q8_0' && name !== 'mxfp4'))
    expect({ type, less: weightedError(type, columns) < weightedError(type, flat) }).toEqual({ type, less: true })
})

const half = (value: number): readonly number[] => [encodeF16(value) & 0xff, encodeF16(value) >> 8]
const zeros = (length: number): readonly number[] => new Array<number>(length).fill(0)

/** Blocks by hand, from the layouts: few elements differ from the rest. */
describe('a block made by hand', () => {
  const expectBlock = (type: BlockTypeName, bytes: readonly number[], rest: number, values: Readonly<Record<number, number>>): void => {
    expect(bytes.length).toBe(TENSOR_TYPES[type].bytes)
    const expected = new Float32Array(TENSOR_TYPES[type].block).fill(rest)
    for (const [at, value] of Object.entries(values)) expected[Number(at)] = value
    expect(decodeBlocks(type, Uint8Array.from(bytes)).map(value => value + 0)).toEqual(expected)
  }

  it('of q4_1 and q5_1: codes count from the minimum', () => {
    expectBlock('q4_1', [...half(0.5), ...half(-2), 0x3f, ...zeros(15)], -2, { 0: 5.5, 16: -0.5 })
    expectBlock('q5_1', [...half(0.5), ...half(-2), 1, 0, 1, 0, 0x3f, ...zeros(15)], -2, { 0: 13.5, 16: 7.5 })
  })

  it('of q5_0: the fifth bits come first', () => {
    expectBlock('q5_0', [...half(0.25), 0b10, 0, 0, 0x80, 0, 0x0f, ...zeros(14)], -4, { 1: 3.75, 31: 0 })
  })

  it('of q4_k: scale and minimum of the sixth group span three bytes', () => {
    const pairs = zeros(12).slice()
    pairs[1] = 0b01 << 6 // high bits of scale 5
    pairs[5] = 0b10 << 6 // high bits of minimum 5
    pairs[9] = 0b0011_0001 // low bits: minimum 3, scale 1
    const codes = zeros(128).slice()
    codes[2 * 32 + 7] = 0xf0
    const values = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [160 + i, -(0b100011 * 0.25)]))
    expectBlock('q4_k', [...half(0.5), ...half(0.25), ...pairs, ...codes], 0, { ...values, 167: 0.5 * 0b010001 * 15 - 0b100011 * 0.25 })
  })

  it('of q5_k: bit g of the fifth bits is for group g', () => {
    const pairs = [0, 2, ...zeros(10)]
    const fifths = [0, 0, 0, 0b10, ...zeros(28)]
    expectBlock('q5_k', [...half(1), ...half(1), ...pairs, ...fifths, ...zeros(3), 0x50, ...zeros(124)], 0, { 35: 2 * 21 })
  })

  it('of q6_k: the scale of scales is at the end', () => {
    const low = zeros(128).slice()
    low[64 + 32 + 3] = 0xa0 // second half, element 96 + 3
    const high = zeros(64).slice()
    high[32 + 3] = 0b11 << 6
    const scales = zeros(16).slice()
    scales[14] = 0xfe // −2
    const values = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [224 + i, 0.5 * -2 * -32]))
    expectBlock('q6_k', [...low, ...high, ...scales, ...half(0.5)], 0, { ...values, 227: 0.5 * -2 * (0b111010 - 32) })
  })

  it('of q2_k: scales lie low and minima high', () => {
    const scales = [...zeros(3), 0x21, ...zeros(12)]
    const codes = zeros(64).slice()
    codes[16 + 5] = 0b1100 // element 32 + 16 + 5, of group 3
    const values = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [48 + i, -2]))
    expectBlock('q2_k', [...scales, ...codes, ...half(4), ...half(1)], 0, { ...values, 53: 4 * 3 - 2 })
  })

  it('of q3_k: third bits first, scales from −32', () => {
    const thirds = [0b1000_0000, ...zeros(31)] // element 224
    const codes = zeros(64).slice()
    codes[32] = 0b11 << 6 // element 224
    const scales = [0, 0, 0, 0, 0, 0, 0x10, 0, 0xaa, 0xaa, 0xaa, 0xaa]
    const values = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [224 + i, -4]))
    expectBlock('q3_k', [...thirds, ...codes, ...scales, ...half(1)], 0, { ...values, 224: 3 })
  })

  it('of iq4_nl and iq4_xs: codes name numbers of the grid', () => {
    expectBlock('iq4_nl', [...half(0.5), 0xf0, ...zeros(15)], -63.5, { 16: 56.5 })
    const values = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [96 + i, -127 * 3]))
    const codes = zeros(128).slice()
    codes[3 * 16 + 2] = 0x08
    expectBlock('iq4_xs', [...half(1), 0xaa, 0xaa, 0, 0x30, 0, 0, ...codes], 0, { ...values, 98: 3 })
  })

  it('of mxfp4: the scale is a power of two', () => {
    expectBlock('mxfp4', [128, 0xf7, ...zeros(15)], 0, { 0: 12, 16: -12 })
    expectBlock('mxfp4', [0, 0x01, ...zeros(15)], 0, { 0: 2 ** -128 })
  })
})

it('rounds halves to even', () => {
  expect([0.5, 1.5, 2.5, -0.5, -1.5, 1.4999, 4194302.5].map(nearestInt)).toEqual([0, 2, 2, 0, -2, 1, 4194302])
  // Beyond that, what the bits of the sum say.
  expect(nearestInt(4194303.5)).toBe(-4194304)
  expect([NaN, Infinity, -Infinity].map(nearestInt)).toEqual([0, -4194304, -4194304])
})

it('keeps the reference of iq4_nl apart', () => {
  const encoded = encodeIq4NlReference(weights)
  expect(hash(encoded)).not.toBe(hash(encodeBlocks('iq4_nl', weights)))
  const decoded = decodeBlocks('iq4_nl', encoded)
  expect(decoded.every((value, i) => Math.abs(value - weights[i]) < 16)).toBe(true)
  expect(decodeBlocks('iq4_nl', encodeIq4NlReference(new Float32Array(64))).every(value => value === 0)).toBe(true)
})
