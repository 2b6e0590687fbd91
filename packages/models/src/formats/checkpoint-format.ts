import { CompressionError } from '@tersor/tensor'
import type { FormatOptions } from './format.js'

/** The checkpoint format that was asked for, where the format has it; throws BAD_OPTION. */
export const checkpointOf = <T extends string>(format: string, known: readonly T[], { checkpointFormat }: FormatOptions): T | undefined => {
  const found = known.find(each => each === checkpointFormat)
  if (checkpointFormat === undefined || found !== undefined) return found
  throw new CompressionError(
    'BAD_OPTION',
    `The format ${format} has no checkpoint format ${checkpointFormat}.`,
    `Pass --checkpoint-format ${known.join(' or ')}, or leave it out.`,
    { format, checkpointFormat },
  )
}

/** Why nothing runs such a folder here. */
export const notInNode = (format: string): string => `vLLM and transformers, which read ${format} folders, do not run in Node`
