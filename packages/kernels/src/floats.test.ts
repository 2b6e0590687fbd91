import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { largestMagnitude, widenFloats } from './floats.js'
import { selectEngine } from './select-engine.js'
import { lendArray } from './lend-array.js'

/** More than two parts, the last of them shorter and no whole vector. */
const LENGTH = 2 * 2 ** 15 + 13
const floats = Float32Array.from({ length: LENGTH }, (_, i) => Math.sin(i))
const bf16 = Uint16Array.from(new Uint32Array(floats.buffer), bits => bits >>> 16)
const widened = Float32Array.from(bf16, code => new Float32Array(Uint32Array.of(code << 16).buffer)[0])

it('widens bf16 and copies float32', async () => {
  expect((await widenFloats(bf16)).values).toEqual(widened)
  const { values } = await widenFloats(floats)
  expect(values).toEqual(floats)
  expect(values.buffer).not.toBe(floats.buffer)
})

it('tells the largest magnitude', async () => {
  const large = floats.slice()
  large[LENGTH - 1] = -7.5
  expect(await largestMagnitude(large)).toBe(7.5)
  expect((await widenFloats(large)).largest).toBe(7.5)
  expect(await largestMagnitude(Uint16Array.of(0x3f80, 0xc0f0))).toBe(7.5)
  expect(await largestMagnitude(new Float32Array(0))).toBe(0)
})

it.each([NaN, Infinity, -Infinity])('says Infinity where there is %d', async value => {
  const broken = floats.slice()
  broken[2 ** 15 + 3] = value
  expect(await largestMagnitude(broken)).toBe(Infinity)
  expect((await widenFloats(broken)).largest).toBe(Infinity)
  const codes = bf16.slice()
  codes[5] = Number.isNaN(value) ? 0x7fc0 : value > 0 ? 0x7f80 : 0xff80
  expect((await widenFloats(codes)).largest).toBe(Infinity)
})

it('lends values to a tensor', async () => {
  await tf.setBackend('cpu')
  const { values } = await widenFloats(Float32Array.of(1, 2, 3, 4))
  const tensor = lendArray(values, [2, 2])
  expect(tensor.arraySync()).toEqual([
    [1, 2],
    [3, 4],
  ])
  expect(await tensor.data()).toBe(values)
  tensor.dispose()
})

it('lets ONNX Runtime compute with values in memory that threads share', async () => {
  expect((await selectEngine({ engine: 'ort' })).engine).toBe('ort')
  const values = new Float32Array(new SharedArrayBuffer(16))
  values.set([1, 2, 3, 4])
  const tensor = lendArray(values, [2, 2]) as tf.Tensor2D
  expect(await tensor.data()).toBe(values)
  const product = tf.matMul(tensor, tensor)
  expect([...(await product.data())]).toEqual([7, 10, 15, 22])
  tf.dispose([tensor, product])
  expect([...values]).toEqual([1, 2, 3, 4])
})
