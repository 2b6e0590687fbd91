import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-webgpu'

/** tfjs goes on with the CPU where WebGPU does not start; a browser run that did so would prove nothing. */
beforeAll(async () => {
  const accepted = await tf.setBackend('webgpu')
  await tf.ready()
  if (!accepted || tf.getBackend() !== 'webgpu') throw new Error(`WebGPU did not start: tfjs runs on "${tf.getBackend()}".`)
})
