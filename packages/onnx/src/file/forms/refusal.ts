import { CompressionError } from '@tersor/tensor'
import { oneLine } from '@tersor/formats/internal/files/bad-file'
import { refusedText, stepsText, type Refused } from '@tersor/formats/internal/files/refusal'

export { isRefusal, type Refused } from '@tersor/formats/internal/files/refusal'

/** The error that names all weights without a place; `elsewhere` says what holds them. */
export const refusal = (refused: readonly Refused[], elsewhere: string): CompressionError =>
  new CompressionError('UNSUPPORTED', oneLine(refusedText('ONNX', refused)), `${stepsText(refused)} ${elsewhere}`, {
    format: 'ONNX',
    tensors: refused.map(({ name }) => name),
  })
