import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-webgpu'

/** tfjs goes on with the CPU where WebGPU does not start; a browser run that did so would prove nothing. Some tests make tensors as they load. */
const accepted = await tf.setBackend('webgpu')
await tf.ready()
if (!accepted || tf.getBackend() !== 'webgpu') throw new Error(`WebGPU did not start: tfjs runs on "${tf.getBackend()}".`)

/** WebGPU tells of a program that it refuses here and nowhere else: what was submitted beside it is dropped without a word. */
const refused: string[] = []
const { device } = tf.backend() as unknown as { readonly device: EventTarget }
device.addEventListener('uncapturederror', event => refused.push((event as unknown as { readonly error: Error }).error.message))
afterEach(() => expect(refused.splice(0)).toEqual([]))
