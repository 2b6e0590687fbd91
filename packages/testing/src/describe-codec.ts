import * as tf from '@tensorflow/tfjs-core'
import { decode } from '@tersor/core'
import { byteLength, DTYPES, encoded, fromFloat32, sizeOf, takeAlong, toFloat32, type Encoded, type Parameter } from '@tersor/tensor'
import { useEngine } from './use-engine.js'

const floats = (shape: readonly number[]): Parameter => fromFloat32(new Float32Array(sizeOf(shape)), 'f32', shape)

/** The same tree with a part of another shape, with floats in the place of codes, without parts, and as a tensor of another shape. */
const damaged = (tree: Encoded): readonly (readonly [what: string, tree: Encoded])[] => {
  const withParts = (parts: Encoded['parts']): Encoded => encoded(tree.codec, tree.shape, parts, tree.attrs)
  const each = Object.entries(tree.parts).flatMap(([name, part]) => {
    const isCodes = part.kind === 'dense' && DTYPES[part.dtype].kind !== 'float'
    return [
      [`${name} of another shape`, withParts({ ...tree.parts, [name]: floats([...part.shape, 2, 3]) })] as const,
      ...(isCodes ? [[`floats as ${name}`, withParts({ ...tree.parts, [name]: floats(part.shape) })] as const] : []),
    ]
  })
  return [...each, ['no parts', withParts({})], ['another shape', encoded(tree.codec, [...tree.shape, 5], tree.parts, tree.attrs)]]
}

/** Cuts a part of a tree, which is plain in those that suites make. */
const takeOf = (part: Parameter, axis: number, kept: Int32Array): Parameter => {
  if (part.kind === 'dense') return takeAlong(part, axis, kept)
  const cut = part.codec.cut?.(part, axis, kept, takeOf)
  if (typeof cut === 'object') return cut
  throw new Error(`${part.codec.name} cannot be cut: ${cut}`)
}

/** The promises that every codec keeps; make: a tree of it with the values it stands for. */
export const describeCodec = (
  name: string,
  make: () => { readonly tree: Encoded; readonly values: readonly number[]; readonly tolerance?: number },
): void => {
  describe(`${name} as a codec`, () => {
    useEngine()

    it('decodes to its values and shape', async () => {
      const { tree, values, tolerance = 1e-6 } = make()
      const tensor = decode(tree)
      expect(tensor.shape).toEqual([...tree.shape])
      const decoded = await tensor.data()
      expect(values.filter((value, i) => !(Math.abs(decoded[i] - value) <= tolerance))).toEqual([])
      tensor.dispose()
    })

    it('leaves one tensor, which the caller owns', () => {
      const { tree } = make()
      const before = tf.memory().numTensors
      const tensor = decode(tree)
      expect(tf.memory().numTensors).toBe(before + 1)
      tensor.dispose()
    })

    it('tells what does not fit, where it checks what files bring', () => {
      const { tree } = make()
      const { check } = tree.codec
      if (!check) return
      expect(check(tree.parts, tree.attrs, tree.shape)).toBeUndefined()
      for (const [what, { parts, attrs, shape }] of damaged(tree))
        expect([what, check(parts, attrs, shape)]).toEqual([what, expect.any(String)])
    })

    it('is cut to what its values are cut to, or says why not', async () => {
      const { tree, values, tolerance = 1e-6 } = make()
      for (const [axis, extent] of tree.shape.entries()) {
        const kept = Int32Array.from({ length: Math.ceil(extent / 2) }, (_, place) => Math.ceil(extent / 2) - 1 - place) // the first half, backwards
        const cut = tree.codec.cut?.(tree, axis, kept, takeOf)
        if (typeof cut !== 'object') continue
        const expected = toFloat32(takeAlong(fromFloat32(values, 'f32', tree.shape), axis, kept))
        const tensor = decode(cut)
        expect(tensor.shape).toEqual([...cut.shape])
        const decoded = await tensor.data()
        tensor.dispose()
        expect(decoded.filter((value, i) => Math.abs(value - expected[i]) > tolerance)).toHaveLength(0)
      }
    })

    it('counts the bytes of all its parts and names its payload', () => {
      const { tree } = make()
      expect(byteLength(tree)).toBe(Object.values(tree.parts).reduce((sum, part) => sum + byteLength(part), 0))
      for (const part of tree.codec.payload ?? []) expect(tree.parts).toHaveProperty(part)
    })
  })
}
