import { CompressionError, memorySink, type ParameterStore } from '@tersor/tensor'
import { quantizedActivations } from '../model/activation-grid.js'
import type { Change } from '../model/coupling.js'
import type { Model } from '../model/model.js'
import { prompted } from '../model/prompted.js'
import type { Context } from '../step/method.js'
import { checkChange } from './check-change.js'
import { cutStore } from './cut-store.js'
import { cutsOf } from './cuts.js'
import { resolveShares } from './shares.js'

/** How a network is made again, whole: with the grids of its inputs and its prompt. Throws UNSUPPORTED for one that cannot be. */
export const remade = <M extends Model>(model: M, change: Change) => {
  if (!model.remake)
    throw new CompressionError(
      'UNSUPPORTED',
      'This network cannot be made again with fewer units.',
      'Use it on a network of @tersor/models whose couplings are known.',
    )
  const { rename, over } = model.remake(change)
  const { provenance } = model
  return {
    rename,
    over: (params: ParameterStore): M => prompted(quantizedActivations({ ...over(params), ...(provenance ? { provenance } : {}) })) as M,
  }
}

/** The parameters behind a change, cut when they are read, and the network over whatever keeps them; throws as `shrink` does. */
export const shrunk = async <M extends Model>(model: M, change: Change, signal?: AbortSignal) => {
  checkChange(model, change)
  const { change: resolved, source } = resolveShares(model, change)
  const { rename, over } = remade(model, resolved)
  return { params: await cutStore(model.params, cutsOf(model.couplings ?? [], resolved), { rename, source }, signal), over }
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
  const { params, over } = await shrunk(model, change, signal)
  const sink = context.sink?.() ?? memorySink()
  try {
    for (const name of params.names()) {
      signal?.throwIfAborted()
      await sink.write(name, await params.read(name, signal ? { signal } : {}))
    }
    return over(await sink.finish())
  } catch (error) {
    await sink.abort()
    throw error
  }
}
