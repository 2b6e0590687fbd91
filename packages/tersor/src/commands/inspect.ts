import { multiplyAddsOf } from '@tersor/evaluation/multiply-adds'
import { sizeOfModel } from '@tersor/evaluation/size-of-model'
import { openModel } from '@tersor/models/open-model'
import { oneLine } from '@tersor/tensor'
import { bytesText, note, paint, writeResult, type Terminal } from '../output.js'
import type { Provenance } from '@tersor/core'
import { commandOf, readRecipe } from '../recipe.js'
import { tableOf, inLines } from '../table.js'
import { notesOf } from '../with-model.js'

/** Names are those of the file, which may be of any length and hold what steers a terminal. */
const LONGEST_NAME = 200

/** The command that made a model, as far as it is known: of its recipe, or of the steps that its file names. */
const madeBy = async (path: string, { provenance = [] }: { readonly provenance?: readonly Provenance[] }): Promise<string | undefined> => {
  const recipe = await readRecipe(path)
  if (recipe) return oneLine(commandOf(recipe))
  if (provenance.length === 0) return undefined
  const { commandOfProvenance } = await import('../provenance-command.js') // it loads every family for its defaults
  return oneLine(commandOfProvenance(provenance))
}

/** `tersor inspect MODEL`: what a model holds, tensor by tensor, from its header alone. */
export const inspect = async (terminal: Terminal, path: string): Promise<void> => {
  const model = await openModel(path, { parametersOnly: true })
  try {
    const { parameters, bytes, tensors } = sizeOfModel(model)
    const multiplyAdds = multiplyAddsOf(model)
    const made = await madeBy(path, model)
    const result = {
      architecture: model.architecture,
      parameters,
      bytes,
      ...(multiplyAdds === undefined ? {} : { multiplyAdds }),
      ...(made === undefined ? {} : { madeBy: made }),
      notes: notesOf(model),
      tensors: tensors.map(tensor => ({ ...tensor, dtype: tensor.dtype ?? null, codec: tensor.codec ?? null })),
    }
    const rows = tensors.map(({ name, codec, dtype, storedAs, shape, bytes: size, bitsPerWeight }) => [
      oneLine(name, LONGEST_NAME),
      codec || storedAs ? paint(terminal, storedAs ?? codec!, 'cyan') : (dtype ?? ''),
      shape.join(' × '),
      bytesText(size),
      bitsPerWeight.toFixed(2),
    ])
    const title = `${paint(terminal, oneLine(model.architecture, LONGEST_NAME), 'bold')}  ${parameters.toLocaleString('en')} parameters  ${multiplyAdds === undefined ? '' : `${multiplyAdds.toLocaleString('en')} multiply-adds a position  `}${bytesText(bytes)}${made === undefined ? '' : `\n${inLines(terminal, `made by: ${made}`)}`}`
    for (const line of notesOf(model)) note(terminal, line)
    writeResult(
      terminal,
      result,
      `${title}\n\n${tableOf(terminal, ['tensor', 'stored as', 'shape', 'bytes', 'bits/weight'], rows, [3, 4])}`,
    )
  } finally {
    await model.close?.()
  }
}
