import type { Tensor } from '@tensorflow/tfjs-core'
import type { Imatrix } from '@tersor/formats/imatrix'
import type { OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'

/** An importance matrix that is filled when calibration has been read: a sink is told of it before. */
export const emptyImatrix = (): Pick<Imatrix, 'entries'> => ({ entries: new Map() })

/** Fills it with what a language model sees of the inputs. Throws UNSUPPORTED for another model. */
export const fillImatrix = async (
  empty: Pick<Imatrix, 'entries'>,
  model: OpenedModel,
  batches: readonly Tensor[],
  { signal, onProgress }: { readonly signal: AbortSignal; readonly onProgress: (done: number, of: number, label: string) => void },
): Promise<void> => {
  if (model.family !== 'language')
    throw new CompressionError('UNSUPPORTED', 'Columns are weighed in language models only.', 'Leave --calibrate out.')
  const { collectImatrix } = await import('@tersor/models/collect-imatrix')
  const made = await collectImatrix(model, batches, { signal, onProgress: (done, of) => onProgress(done, of, 'imatrix') })
  for (const [name, entry] of made.entries) (empty.entries as Map<string, typeof entry>).set(name, entry)
}
