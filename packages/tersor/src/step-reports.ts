import { biasNameOf, inputNames, sitesOf, type ProgressEvent } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'

/** What a step did of a run. */
export interface StepReport {
  readonly method: string
  /** Sites that it compressed or of which it changed something. */
  readonly sites: number
  /** Mean over sites of ‖W − Ŵ‖² / ‖W‖²; absent for steps that round no weight. */
  readonly error?: number
}

/** A layer as the last step that rounded it left it. */
export interface LayerReport {
  readonly layer: string
  /** The stage of the network that it is in. */
  readonly stage: string
  /** The step. */
  readonly step: string
  /** ‖W − Ŵ‖² / ‖W‖² against the weight before, or behind the last exact pass. */
  readonly error: number
  /** Bytes of the weight that the run began with, and of what it became. */
  readonly before: number
  readonly after: number
  readonly weights: number
}

interface Counted {
  readonly method: string
  readonly changed: Set<string>
  error?: number
  rounded: number
}

/** What the events of a run say, gathered as they come. */
export interface RunReports {
  readonly onProgress: (event: ProgressEvent) => void
  steps(): readonly StepReport[]
  layers(): readonly LayerReport[]
  /** Names of sites that a step compressed or changed. */
  touched(): ReadonlySet<string>
}

/** Sites by the names of their weights, biases and grids of inputs. */
const sitesByParameter = (model: OpenedModel): ReadonlyMap<string, string> =>
  new Map(sitesOf(model).flatMap(site => [site.weight, biasNameOf(site), ...inputNames(site)].map(name => [name, site.name] as const)))

/** Gathers what the steps of a run on a model do. */
export const runReports = (model: OpenedModel): RunReports => {
  const siteOf = sitesByParameter(model)
  const found = new Map(model.stages.flatMap(stage => stage.sites.map(site => [site.name, { site, stage: stage.name }] as const)))
  const steps: Counted[] = []
  const layers = new Map<string, LayerReport>()
  const done = () => steps.filter(({ method }) => method !== 'pack')
  const rounded = ({ site: layer, pass: step, error, after }: Extract<ProgressEvent, { type: 'compressed' }>): void => {
    const current = steps.at(-1)!
    current.changed.add(layer)
    current.error = ((current.error ?? 0) * current.rounded + error) / ++current.rounded
    const { site, stage } = found.get(layer) ?? {}
    if (!site || step === 'pack') return
    const { byteLength: before, shape } = model.params.info(site.weight)
    const weights = shape.reduce((product, extent) => product * extent, 1)
    layers.set(layer, { layer, stage: stage!, step, error, before, after, weights })
  }
  return {
    onProgress: event => {
      if (event.type === 'pass' && event.pass !== 'pipeline') steps.push({ method: event.pass, changed: new Set(), rounded: 0 })
      const site = event.type === 'changed' ? siteOf.get(event.parameter) : undefined
      if (site !== undefined) steps.at(-1)!.changed.add(site)
      if (event.type === 'compressed') rounded(event)
    },
    steps: () => done().map(({ method, changed, error }) => ({ method, sites: changed.size, ...(error === undefined ? {} : { error }) })),
    layers: () => [...layers.values()],
    touched: () => new Set(steps.flatMap(({ changed }) => [...changed])),
  }
}
