import { CompressionError, memorySink } from '@tersor/tensor'
import { quantizedActivations } from '../model/activation-grid.js'
import type { Change } from '../model/coupling.js'
import type { Model } from '../model/model.js'
import { prompted } from '../model/prompted.js'
import type { Context } from '../step/method.js'
import { checkChange } from './check-change.js'
import { cutParameter, cutsOf } from './cuts.js'
import { resolveShares } from './shares.js'

/** Trees are cut once without writing, so that one that cannot be is told before anything is written. */
const checkTrees = async (
  { params }: Model,
  names: readonly string[],
  cuts: ReturnType<typeof cutsOf>,
  signal?: AbortSignal,
): Promise<void> => {
  for (const name of names) {
    if (!cuts.has(name) || params.info(name).codec === undefined) continue
    cutParameter(name, await params.read(name, signal ? { signal } : {}), cuts.get(name))
  }
}

/**
 * Makes the same kind of network with fewer units and blocks: of each coupling the units that are named stay, in that order; root-mean-square
 * norms over a stream keep their function by weights · √(old / new) and ε · old / new. A block that uses another's weights (`shares`) gets a copy
 * of all but its norms, cut as the other is: any runtime opens that, and any file holds it twice. What comes out gives what `switchedOff` gives.
 * Reads, cuts and writes one parameter at a time, into memory where no sink is given.
 * Throws UNSUPPORTED for a network that cannot be made again, BAD_OPTION for units and blocks that there are not, that leave nothing or that cannot share,
 * COMPOSITION for a compressed weight whose codec cannot be cut there; all of these before anything is written.
 */
export const shrink = async <M extends Model>(
  model: M,
  change: Change,
  context: Partial<Pick<Context, 'sink' | 'signal'>> = {},
): Promise<M> => {
  const { signal } = context
  checkChange(model, change)
  const { change: resolved, source } = resolveShares(model, change)
  if (!model.remake)
    throw new CompressionError(
      'UNSUPPORTED',
      'This network cannot be made again with fewer units.',
      'Use it on a network of @tersor/models whose couplings are known.',
    )
  const { rename, over } = model.remake(resolved)
  const { params } = model
  const cuts = cutsOf(model.couplings ?? [], resolved)
  const staying = params.names().filter(name => rename(name) !== undefined)
  await checkTrees(model, staying.map(source), cuts, signal)
  const sink = context.sink?.() ?? memorySink()
  try {
    for (const name of staying) {
      signal?.throwIfAborted()
      const from = source(name)
      const parameter = await params.read(from, signal ? { signal } : {})
      await sink.write(rename(name)!, cutParameter(from, parameter, cuts.get(from)))
    }
    const { provenance } = model
    return prompted(quantizedActivations({ ...over(await sink.finish()), ...(provenance ? { provenance } : {}) })) as M
  } catch (error) {
    await sink.abort()
    throw error
  }
}
