import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import { readCalibration } from '../calibration.js'
import { columnsText } from '../columns.js'
import { layerSensitivity } from '../layer-sensitivity.js'
import { distanceOf, measurerFor } from '../measures.js'
import { makeStep } from '../methods.js'
import { writeResult, type Terminal } from '../output.js'
import { progressOn } from '../progress.js'
import { SENSITIVITY_COLUMNS } from '../sensitivity-columns.js'
import { writeTables, type TableFlags } from '../table-outputs.js'
import { withModel } from '../with-model.js'

export interface SensitivityFlags extends TableFlags {
  readonly data: readonly string[]
  readonly step: readonly string[]
  readonly calibrate: readonly string[]
  readonly tokens: number
  readonly seed: number
}

/** Rows that a terminal shows. */
const SHOWN = 20

/** The steps that a command line names; throws BAD_OPTION where there is none. */
const candidatesOf = async (steps: readonly string[]) => {
  if (steps.length === 0)
    throw new CompressionError('BAD_OPTION', 'No step was given to try.', 'Pass --step "rtn(bits=4)", and again for more.')
  return Promise.all(steps.map(async text => ({ text, step: await makeStep(text, process.cwd()) })))
}

/** `tersor sensitivity MODEL --data FILE --step CALL …`: error and loss by layer and step. */
export const sensitivity = async (terminal: Terminal, path: string, flags: SensitivityFlags, signal: AbortSignal): Promise<void> => {
  const { data, step, calibrate, tokens, seed } = flags
  const candidates = await candidatesOf(step)
  await withModel(terminal, path, async model => {
    const progress = progressOn(terminal)
    const calibration = calibrate.length === 0 ? [] : (await readCalibration(model, calibrate, path)).batches
    try {
      progress.expect(model, calibration.length)
      const measurer = await measurerFor(model, path, data, { tokens, signal })
      const { onProgress, advance: onAdvance } = progress
      const layers = await layerSensitivity(model, candidates, { measurer, calibration, seed, signal, onProgress, onAdvance })
      progress.stop()
      const page = async () => (await import('../page/sensitivity-page.js')).sensitivityPage(path, data.join(', '), layers)
      await writeTables(terminal, flags, SENSITIVITY_COLUMNS, layers, page)
      const worst = [...layers].sort((a, b) => distanceOf(b) - distanceOf(a)).slice(0, SHOWN)
      const more = layers.length > SHOWN ? `\n… ${layers.length - SHOWN} more, which lose less: --csv FILE, --html FILE or --json` : ''
      writeResult(terminal, { model: path, data, layers }, `${columnsText(terminal, SENSITIVITY_COLUMNS, worst)}${more}`)
    } finally {
      progress.stop()
      tf.dispose(calibration)
    }
  })
}
