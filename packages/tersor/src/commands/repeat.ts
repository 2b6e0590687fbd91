import { CompressionError } from '@tersor/tensor'
import { writeResult, type Terminal } from '../output.js'
import { progressOn } from '../progress.js'
import { repeatOutput, type Repeated } from '../repeat-output.js'
import { commandOf } from '../recipe.js'

export interface RepeatFlags {
  readonly out?: string
  readonly overwrite: boolean
}

/** Beside the output, under a name that formats know. */
const againOf = (path: string): string => path.replace(/[/\\]+$/, '').replace(/(\.(?:gguf|onnx))?$/, '-again$1')

const why = ({ otherFacts, recipe }: Repeated): string =>
  otherFacts.length === 0
    ? `The recipe was run by Tersor ${recipe.tersor}: another version may round in another way.`
    : `Here the ${otherFacts.join(' and the ')} of the engine ${otherFacts.length > 1 ? 'are others' : 'is another'} than where the recipe was run: TERSOR_ENGINE and TERSOR_THREADS choose them.`

/** `tersor repeat PATH`: makes an output again from its recipe and says whether it is the same, byte by byte. */
export const repeat = async (terminal: Terminal, path: string, flags: RepeatFlags, signal: AbortSignal): Promise<void> => {
  const progress = progressOn(terminal)
  const { out = againOf(path), overwrite } = flags
  const { onProgress, advance: onAdvance, expect: onOpened } = progress
  const hearing = { signal, onProgress, onAdvance, onOpened }
  const result = await repeatOutput(terminal, path, out, overwrite, hearing).finally(() => progress.stop())
  const { different } = result
  const text = different.length === 0 ? `${out}  the same bytes as ${path}` : `${out}  different: ${different.join(', ')}`
  writeResult(terminal, { out, same: different.length === 0, different, command: commandOf(result.recipe, out) }, text)
  if (different.length > 0)
    throw new CompressionError('BAD_DATA', `${out} is not the same as ${path}: ${different.slice(0, 3).join(', ')}.`, why(result), {
      different,
    })
}
