import type { EngineName } from '@tersor/kernels'
import type { OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import type { ScratchFolder } from '@tersor/formats/scratch'
import { engineFacts } from './engine-facts.js'
import type { FormatFlags } from './format-flags.js'

/** What of the options of a format decides the bytes. */
const formatFacts = ({ format, type, imatrix, form, checkpointFormat, dtype }: FormatFlags, weighs: boolean): string =>
  [format, type, weighs ? 'weighed' : imatrix, form, checkpointFormat, dtype].filter(Boolean).join(' ')

/** What decides the bytes of a result besides model, steps and seed: a run goes on only where it is the same. */
export const runFacts = async (
  engine: EngineName,
  model: OpenedModel,
  flags: FormatFlags,
  weighs: boolean,
): Promise<Readonly<Record<string, string>>> => ({
  ...(await engineFacts(engine)),
  config: JSON.stringify(model.rawConfig),
  format: formatFacts(flags, weighs),
})

/** What a user's stop left. */
export const stopped = async (scratch: ScratchFolder, error: unknown): Promise<unknown> => {
  if ((await scratch.state()) === 'none') return error
  const remedy = `finished stages are kept in ${scratch.path}: run the command again with --resume to go on.`
  return new CompressionError('RESUME', 'The run was stopped.', remedy, { resumable: scratch.path }, error)
}
