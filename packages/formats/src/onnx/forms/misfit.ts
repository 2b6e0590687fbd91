import { CompressionError } from '@tersor/tensor'
import { oneLine } from '../../bad-file.js'
import type { Misfit } from '../../quantized-folder/layout.js'
import type { Stored } from './stored.js'

export const isMisfit = (result: Stored | Misfit): result is Misfit => 'reason' in result

export interface Refused extends Misfit {
  readonly name: string
}

/** Enough to see what is wrong. */
const LISTED = 5

/** The error that names all weights without a place; `elsewhere` says what holds them. */
export const refusal = (refused: readonly Refused[], elsewhere: string): CompressionError => {
  const listed = refused.slice(0, LISTED).map(({ name, reason }) => `${name} ${reason}`)
  const more = refused.length > LISTED ? `; and ${refused.length - LISTED} more` : ''
  const steps = [...new Set(refused.map(({ step }) => step))]
  return new CompressionError(
    'UNSUPPORTED',
    oneLine(`ONNX has no place for ${refused.length} of the tensors: ${listed.join('; ')}${more}.`),
    `${steps.join(' ')} ${elsewhere}`,
    { format: 'ONNX', tensors: refused.map(({ name }) => name) },
  )
}
