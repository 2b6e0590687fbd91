/** `worker.ts <job> <settings as JSON>`: prepares a job on the engine that TERSOR_ENGINE names and serves it; TFJS_KERNELS=own is tfjs's plain engine as it comes. */
import * as tf from '@tensorflow/tfjs-core'
import { ORT_VERSION } from '@tersor/backend-ort'
import { selectEngine } from '@tersor/kernels'
import { serve, type Run, type Settings } from './serve.js'

const [job, text] = process.argv.slice(2)
const settings = JSON.parse(text) as Settings
const { prepare } = (await import(`./jobs/${job}.ts`)) as { prepare: (settings: Settings) => Promise<Run> | Run }
/** The plain engine with the kernels that tfjs brings, which selectEngine replaces. */
const startPlainTfjs = async (): Promise<string> => {
  await import('@tensorflow/tfjs-backend-cpu')
  await tf.setBackend('cpu')
  return tf.getBackend()
}
const engine = process.env.TFJS_KERNELS === 'own' ? await startPlainTfjs() : (await selectEngine()).engine
const version = engine === 'ort' ? `ONNX Runtime ${ORT_VERSION}` : `tfjs ${tf.version_core}`
const run = await prepare(settings)
await serve(run, { engine, version, threads: Number(process.env.TERSOR_THREADS ?? 1) }, Number(settings.warm ?? 3))
