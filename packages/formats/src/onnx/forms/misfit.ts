import { CompressionError } from '@tersor/tensor'
import { oneLine } from '../../bad-file.js'
import { refusedText, stepsText, type Refused } from '../../misfit.js'

export { isMisfit, type Refused } from '../../misfit.js'

/** The error that names all weights without a place; `elsewhere` says what holds them. */
export const refusal = (refused: readonly Refused[], elsewhere: string): CompressionError =>
  new CompressionError('UNSUPPORTED', oneLine(refusedText('ONNX', refused)), `${stepsText(refused)} ${elsewhere}`, {
    format: 'ONNX',
    tensors: refused.map(({ name }) => name),
  })
