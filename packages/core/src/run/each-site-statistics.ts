import type { Calibration, Context } from '../step/method.js'
import type { Model, Site } from '../model/model.js'
import { collectBatches, type SiteStats } from './calibrate.js'
import { followStages, type StageView } from './stage-view.js'

export interface SiteStatistics {
  /** Of the step that asks, for errors. */
  readonly step: string
  readonly calibration: Calibration<any>
  readonly chosen: (site: Site) => boolean
}

/**
 * Statistics of what the chosen sites see over calibration, for those that change nothing: visits each site in the order of the stages; the
 * tensors are the walk's. Throws NO_CALIBRATION.
 */
export const eachSiteStatistics = async (
  model: Model,
  { calibration: batches, activations, signal }: Pick<Context, 'calibration' | 'activations' | 'signal'>,
  { step, calibration, chosen }: SiteStatistics,
  visit: (site: Site, seen: SiteStats, view: StageView) => Promise<void>,
): Promise<void> => {
  const inputs = activations(await collectBatches(step, batches))
  try {
    await followStages(model, inputs, { signal }, async view => {
      const sites = view.stage.sites.filter(chosen)
      if (sites.length === 0) return
      const collected = await view.statistics(calibration, chosen)
      for (const site of sites) await visit(site, collected.of(site), view)
    })
  } finally {
    await inputs.dispose()
  }
}
