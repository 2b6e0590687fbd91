import * as tf from '@tensorflow/tfjs-core'

/** Runs the tests of a file on the backend that TERSOR_ENGINE names, or on the CPU, and fails where another one answers. */
export const useEngine = (): void => {
  beforeAll(async () => {
    const wanted = process.env['TERSOR_ENGINE'] ?? 'cpu'
    await tf.setBackend(wanted)
    await tf.ready()
    expect(tf.getBackend()).toBe(wanted)
  })
}
