import * as fc from 'fast-check'
import { quantizeBlock, quantizeReference } from './blocks.reference.js'
import { wasmKernels } from './wasm.js'
import { runs } from './values.reference.js'

const kernels = wasmKernels()

function quantized(kernel: string, values: Float32Array): number[] {
  const blocks = values.length / 32
  const length = quantizeReference(kernel, values).length
  const arena = kernels.arena(4 * values.length + length + 64)
  const [from, to] = [arena.f32(values.length), arena.u8(length)]
  from.set(values)
  kernels[kernel as 'quantizeQ4_0'](from.byteOffset, blocks, to.byteOffset)
  return [...to]
}

const floats = fc.float({ noNaN: true, noDefaultInfinity: true })
/** Values of any size, of one size, of few sizes and signs, and down to where scales vanish. */
const blocks = fc.oneof(
  fc.array(floats, { minLength: 32, maxLength: 32 }),
  fc.array(fc.float({ noNaN: true, min: -1, max: 1 }), { minLength: 32, maxLength: 32 }),
  fc.array(fc.constantFrom(0, -0, 1, -1, 0.5, -0.5, 2), { minLength: 32, maxLength: 32 }),
  fc
    .tuple(fc.integer({ min: 90, max: 149 }), fc.array(fc.integer({ min: -16, max: 16 }), { minLength: 32, maxLength: 32 }))
    .map(([power, codes]) => codes.map(code => code * 2 ** -power)),
)

describe.each(Object.keys(quantizeBlock))('%s', kernel => {
  it('gives the bytes of plain loops', () => {
    fc.assert(
      fc.property(fc.array(blocks, { minLength: 1, maxLength: 3 }), parts => {
        const values = Float32Array.from(parts.flat())
        expect(quantized(kernel, values)).toEqual(quantizeReference(kernel, values))
      }),
      { numRuns: runs(500) },
    )
  })
})

it('rounds halves away from zero in eight bits and up in four', () => {
  const values = Float32Array.from({ length: 32 }, (_, i) => [127, 0.5, -0.5, 1.5, -1.5, 2.4999][i] ?? 0)
  expect(quantized('quantizeQ8_0', values).slice(0, 8)).toEqual([0x00, 0x3c, 127, 1, 255, 2, 254, 2])
  const steps = Float32Array.from({ length: 32 }, (_, i) => [-8, 0.5, -0.5, 1.5, -1.5, 7.5][i] ?? 0)
  expect(quantized('quantizeQ4_0', steps).slice(2, 8).map(byte => byte & 15)).toEqual([0, 9, 8, 10, 7, 15]) // prettier-ignore
})
