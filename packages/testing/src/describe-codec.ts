import * as tf from '@tensorflow/tfjs-core'
import { decode } from '@tersor/core'
import { byteLength, type Encoded } from '@tersor/tensor'
import { useEngine } from './use-engine.js'

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
      values.forEach((value, i) => expect(Math.abs(decoded[i] - value)).toBeLessThanOrEqual(tolerance))
      tensor.dispose()
    })

    it('leaves one tensor, which the caller owns', () => {
      const { tree } = make()
      const before = tf.memory().numTensors
      const tensor = decode(tree)
      expect(tf.memory().numTensors).toBe(before + 1)
      tensor.dispose()
    })

    it('counts the bytes of all its parts and names its payload', () => {
      const { tree } = make()
      expect(byteLength(tree)).toBe(Object.values(tree.parts).reduce((sum, part) => sum + byteLength(part), 0))
      for (const part of tree.codec.payload ?? []) expect(tree.parts).toHaveProperty(part)
    })
  })
}
