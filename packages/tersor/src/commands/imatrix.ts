import * as tf from '@tensorflow/tfjs-core'
import { writeImatrix, type ImatrixForm } from '@tersor/formats/imatrix'
import { collectImatrix } from '@tersor/models/collect-imatrix'
import { CompressionError } from '@tersor/tensor'
import { basename } from 'node:path'
import { calibrationText, readCalibration } from '../calibration.js'
import { refuseExisting, refuseSource } from '../output-place.js'
import { note, paint, noteWidth, writeResult, type Terminal } from '../output.js'
import { progressOn } from '../progress.js'
import { withModel } from '../with-model.js'

export interface ImatrixFlags {
  readonly out: string
  readonly calibrate: readonly string[]
  readonly samples?: number
  readonly length?: number
  readonly shuffle: boolean
  readonly seed: number
  readonly form: ImatrixForm
  readonly overwrite: boolean
}

/** `tersor imatrix MODEL --calibrate FILE --out FILE`: how much each input column of each weight matters, for GGUF's block types. */
export const imatrix = (terminal: Terminal, path: string, flags: ImatrixFlags, signal: AbortSignal): Promise<void> =>
  withModel(terminal, path, async model => {
    if (model.family !== 'language')
      throw new CompressionError(
        'UNSUPPORTED',
        `${path} is no language model.`,
        'Importance matrices are for GGUF files of language models.',
      )
    await refuseSource(path, flags.out)
    await refuseExisting(flags.out, flags.overwrite)
    const learned = await readCalibration(model, flags.calibrate, path, flags)
    const { batches } = learned
    note(terminal, paint(terminal, calibrationText(learned, noteWidth(terminal)), 'dim'))
    const progress = progressOn(terminal)
    try {
      const onProgress = (done: number, of: number) => progress.advance(done, of, 'imatrix')
      const made = await collectImatrix(model, batches, { signal, onProgress, datasets: flags.calibrate.map(file => basename(file)) })
      await writeImatrix(flags.out, made, { form: flags.form, overwrite: flags.overwrite })
      const tokens = batches.reduce((sum, batch) => sum + batch.size, 0)
      writeResult(
        terminal,
        { out: flags.out, weights: made.entries.size, tokens },
        `${flags.out}  ${made.entries.size} weights over ${tokens} tokens`,
      )
    } finally {
      progress.stop()
      tf.dispose(batches)
    }
  })
