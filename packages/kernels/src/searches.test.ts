import * as fc from 'fast-check'
import { BLOCK_TYPES, encodeBlocks, quantizeBlocks, type BlockTypeName } from './blocks.js'
import { runs } from './values.reference.js'

const SEARCHED = ['q2_k', 'q3_k', 'q4_k', 'q5_k', 'q6_k', 'iq4_nl', 'iq4_xs'] as const satisfies readonly BlockTypeName[]
const COLUMNS = 512

/** A small generator of its own: fast-check shrinks the seed, not thousands of numbers. */
const valuesOf = (kind: string, seed: number, length: number): Float32Array => {
  let state = seed | 1
  const uniform = (): number => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) / 0x7fffffff
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform() + 1e-9)) * Math.cos(6.283185 * uniform())
  const kinds: Readonly<Record<string, (i: number) => number>> = {
    normal: () => normal() * 0.02,
    sparse: () => (uniform() < 0.7 ? 0 : normal()),
    'few sizes': () => [0, -0, 1, -1, 0.5, -0.5, 2][Math.floor(uniform() * 7)],
    tiny: () => normal() * 1e-30,
    subnormal: () => normal() * 1e-40,
    huge: () => normal() * 1e3, // scales beyond halves are refused
    positive: () => Math.abs(normal()),
    'blocks of zeros': i => ((i >> 5) % 3 ? normal() : 0),
    constant: i => ((i >> 6) % 2 ? 0.3 : -0.3),
    'many sizes': i => normal() * 10 ** (((i >> 4) % 24) - 20),
  }
  return Float32Array.from({ length }, (_, i) => kinds[kind](i))
}

const KINDS = ['normal', 'sparse', 'few sizes', 'tiny', 'subnormal', 'huge', 'positive', 'blocks of zeros', 'constant', 'many sizes']
const kinds = fc.constantFrom(...KINDS)

describe.each(SEARCHED)('the search of %s', type => {
  it('gives the bytes of plain loops', () => {
    fc.assert(
      fc.property(kinds, fc.integer(), (kind, seed) => {
        const values = valuesOf(kind, seed, 2 * COLUMNS)
        expect(encodeBlocks(type, values)).toEqual(BLOCK_TYPES[type].encode(values))
      }),
      { numRuns: runs(40) },
    )
  })

  it('gives the bytes of plain loops where columns weigh differently, some nothing', () => {
    fc.assert(
      fc.property(kinds, fc.integer(), (kind, seed) => {
        const values = valuesOf(kind, seed, 2 * COLUMNS)
        const importance = valuesOf('sparse', seed + 1, COLUMNS).map(Math.abs)
        expect(encodeBlocks(type, values, { importance })).toEqual(BLOCK_TYPES[type].encode(values, importance))
      }),
      { numRuns: runs(40) },
    )
  })

  it('gives the same bytes on all threads, from bf16 as well, with the column of each block in the right part', async () => {
    const values = valuesOf('normal', 5, 80 * COLUMNS)
    const bits = new Uint32Array(values.buffer)
    bits.forEach((own, i) => (bits[i] = own & 0xffff0000))
    const importance = valuesOf('positive', 6, COLUMNS)
    const expected = encodeBlocks(type, values, { importance })
    expect(await quantizeBlocks(type, values, { importance })).toEqual(expected)
    expect(
      await quantizeBlocks(
        type,
        Uint16Array.from(bits, own => own >>> 16),
        { importance },
      ),
    ).toEqual(expected)
  })
})

it('takes the exponents of MXFP4 as a float32 logarithm gives them, beside every power of two', async () => {
  const bits = Int32Array.from({ length: 278 }, (_, i) => new Int32Array(Float32Array.of(2 ** (i - 149)).buffer)[0])
  const beside = Int32Array.from([...bits].flatMap(power => [-40, -9, -3, -2, -1, 0, 1, 2].map(off => Math.max(1, power + off))))
  const finite = beside.filter(own => own < 0x7f800000)
  const values = new Float32Array(32 * finite.length)
  for (const [block, own] of finite.entries())
    for (let i = 0; i < 32; i++) values[32 * block + i] = new Float32Array(Int32Array.of(own).buffer)[0] * ((i - 16) / 16)
  expect(await quantizeBlocks('mxfp4', values)).toEqual(BLOCK_TYPES.mxfp4.encode(values))
})

it('rounds to MXFP4 as plain loops do, from bf16 as well', async () => {
  const values = Float32Array.from({ length: 2 ** 16 }, (_, i) => Math.fround(Math.sin(i) * 2 ** (((i >> 5) % 40) - 20)))
  expect(await quantizeBlocks('mxfp4', values)).toEqual(BLOCK_TYPES.mxfp4.encode(values))
  const codes = Uint16Array.from(new Uint32Array(values.buffer), own => own >>> 16)
  const wide = Float32Array.from(codes, code => new Float32Array(Uint32Array.of(code << 16).buffer)[0])
  expect(await quantizeBlocks('mxfp4', codes)).toEqual(BLOCK_TYPES.mxfp4.encode(wide))
})

it('refuses a row that is not whole, as the encoder on one thread does', async () => {
  await expect(quantizeBlocks('q4_k', new Float32Array(100))).rejects.toMatchObject({ code: 'SHAPE' })
  await expect(quantizeBlocks('q4_k', new Float32Array(512), { importance: new Float32Array(100) })).rejects.toMatchObject({
    code: 'SHAPE',
  })
})
