import { selectEngine, type EngineName } from '@tersor/kernels'
import { openModel, type OpenedModel } from '@tersor/models/open-model'
import { note, paint, type Terminal } from './output.js'

/** Chooses the engine and says which; then opens the model and closes it after the work. */
export const withModel = async <T>(
  terminal: Terminal,
  path: string,
  work: (model: OpenedModel, engine: EngineName) => Promise<T>,
): Promise<T> => {
  const { engine, reason } = await selectEngine()
  note(terminal, paint(terminal, `engine ${engine}: ${reason}`, 'dim'))
  const model = await openModel(path)
  try {
    for (const line of notesOf(model)) note(terminal, line)
    return await work(model, engine)
  } finally {
    await model.close?.()
  }
}

/** What was settled while a model was opened. */
export const notesOf = (model: OpenedModel): readonly string[] => ('notes' in model ? (model.notes ?? []) : [])
