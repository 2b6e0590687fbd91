/** The bundled language model, and what all claims about it learn from and are measured on. */
import * as tf from '@tensorflow/tfjs-core'
import { readDocuments, windowsOf } from '@tersor/evaluation'
import { openModel } from '@tersor/models'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** The project's data folder, beside the repository. */
export const DATA = process.env.TERSOR_DATA ?? join(ROOT, '../shared/data')
export const BUNDLED = join(ROOT, 'examples/bundled-model')
/** Four times as many tokens as the widest site has columns, and more. */
const CALIBRATION_WINDOWS = 64

/** Opens it, or the one of 12 blocks, on the engine that was selected. */
export const openBundled = async (folder: 'model' | 'deep' = 'model') => {
  const model = await openModel(join(BUNDLED, folder))
  if (model.family !== 'language' || !model.tokenizer) throw new Error('The bundled model is no language model.')
  const { tokenizer, contextLength } = model
  const read = (name: string) => readDocuments(join(BUNDLED, 'text', name))
  const learned = windowsOf(await read('calibration.txt'), tokenizer, contextLength)
    .filter(window => window.length === contextLength)
    .slice(0, CALIBRATION_WINDOWS)
  const calibration = learned.map(window => tf.tensor2d(Int32Array.from(window), [1, contextLength], 'int32'))
  const validation = windowsOf(await read('validation.txt'), tokenizer, contextLength)
  return { model, calibration, validation }
}
