import * as tf from '@tensorflow/tfjs-core'
import { selectEngine, type EngineName } from '@tersor/kernels/select-engine'
import { openModel, type OpenedModel } from '@tersor/models/open-model'
import { oneLine } from '@tersor/tensor'
import { note, paint, type Terminal } from './output.js'

/** The variable leaves out the CUDA libraries, which come from another place than the registry. */
const NATIVE = 'ONNXRUNTIME_NODE_INSTALL=skip npm install @tersor/backend-ort'

/** Chooses the engine and says which. */
export const startEngine = async (terminal: Terminal): Promise<EngineName> => {
  tf.enableProdMode() // tfjs says nothing of its own among our lines
  const { engine, reason, tried } = await selectEngine()
  note(terminal, paint(terminal, `engine ${engine}: ${reason}`, 'dim'))
  const native = tried.find(attempt => attempt.engine === 'ort' && !attempt.started)
  if (native) note(terminal, paint(terminal, `${native.reason}: native speed comes with \`${NATIVE}\``, 'dim'))
  return engine
}

/** How a model is opened. */
export interface CutFlags {
  /** The share of the units of a sorted model. */
  readonly cut?: number
}

/** Chooses the engine; then opens the model and closes it after the work. */
export const withModel = async <T>(
  terminal: Terminal,
  from: string | (CutFlags & { readonly path: string }),
  work: (model: OpenedModel, engine: EngineName) => Promise<T>,
): Promise<T> => {
  const engine = await startEngine(terminal)
  const { path, cut } = typeof from === 'string' ? { path: from } : from
  const model = await openModel(path, cut === undefined ? {} : { cut })
  try {
    for (const line of notesOf(model)) note(terminal, line)
    return await work(model, engine)
  } finally {
    await model.close?.()
  }
}

/** What was settled while a model was opened; names in it are those of the file. */
export const notesOf = (model: OpenedModel): readonly string[] => ('notes' in model ? (model.notes ?? []).map(line => oneLine(line)) : [])
