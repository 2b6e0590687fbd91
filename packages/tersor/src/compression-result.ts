import { othersText, sitesOf, type Model, type OtherWeight, type Provenance, type Site } from '@tersor/core'
import { sizeOfModel } from '@tersor/evaluation/size-of-model'
import { openModel, type OpenedModel } from '@tersor/models/open-model'
import type { SavedModel } from './model-output.js'
import { cutSites, type NetworkCut } from './network-cut.js'
import { bytesText } from './output.js'
import type { Quality } from './quality.js'
import type { LayerReport, RunReports, StepReport } from './step-reports.js'
import { weightBytes } from './weight-bytes.js'

/** A part of a result, in weights and bytes. */
export interface Share {
  readonly weights: number
  readonly bytes: number
  readonly bitsPerWeight: number
}

/** Weights that no step touched, and why. */
export interface LeftAlone {
  readonly why: string
  readonly names: readonly string[]
  readonly bytes: number
}

/** What came of a run. */
export interface CompressionResult {
  readonly source: string
  readonly out: string
  readonly architecture: string
  /** Of the files with weights. */
  readonly bytesBefore: number
  readonly bytesAfter: number
  /** bytesBefore / bytesAfter. */
  readonly timesSmaller: number
  readonly bitsPerWeight: number
  readonly seconds: number
  readonly steps: readonly (StepReport & Pick<Provenance, 'options'>)[]
  /** Of the layers that were rounded or pruned, and of all the rest: norms, tables, heads, what was left alone, headers. */
  readonly compressed: Share
  readonly rest: Share
  readonly layers: readonly LayerReport[]
  readonly left: readonly LeftAlone[]
  /** Where steps left out units or blocks. */
  readonly cut?: NetworkCut
  readonly quality?: Quality
  /** What the format could not hold as it was. */
  readonly notes: readonly string[]
  /** Why it is not smaller than its source, should it be so. */
  readonly growth?: string
}

interface Run {
  readonly model: OpenedModel
  /** What the steps made of it. */
  readonly small: Model
  readonly cut: NetworkCut | undefined
  readonly path: string
  readonly saved: SavedModel
  readonly reports: RunReports
  readonly seconds: number
  readonly quality: Quality | undefined
}

const shareOf = (weights: number, bytes: number): Share => ({ weights, bytes, bitsPerWeight: (8 * bytes) / Math.max(1, weights) })

/** Why a site that no step touched was left alone. */
const whyLeft = ({ head, kind }: Site): string => {
  if (head) return 'the head, which steps leave alone unless only= names it'
  return kind === 'embedding' ? 'a table of embeddings, which steps leave alone unless only= names it' : 'chosen by no step'
}

/** What no step touched, by the reason, with its bytes. */
const leftAlone = (model: OpenedModel, touched: ReadonlySet<string>): readonly LeftAlone[] => {
  const sites = sitesOf(model)
  const done = new Set(sites.flatMap(({ name, weight }) => (touched.has(name) ? [weight] : [])))
  const left = new Map<string, Map<string, Site>>()
  for (const site of sites) {
    if (done.has(site.weight)) continue
    done.add(site.weight) // a head that is the embedding is told once
    const why = whyLeft(site)
    left.set(why, (left.get(why) ?? new Map<string, Site>()).set(site.weight, site))
  }
  const { others = [] } = model as { readonly others?: readonly OtherWeight[] }
  const bytesOf = (weights: Iterable<string>): number => [...weights].reduce((sum, name) => sum + model.params.info(name).byteLength, 0)
  return [
    ...[...left].map(([why, found]) => ({ why, names: [...found.values()].map(({ name }) => name), bytes: bytesOf(found.keys()) })),
    ...(others.length === 0
      ? []
      : [{ why: `no sites: ${othersText(others)}`, names: others.map(({ name }) => name), bytes: others.reduce((sum, { bytes }) => sum + bytes, 0) }]), // prettier-ignore
  ]
}

/** One line about it. */
export const leftText = ({ why, names, bytes }: LeftAlone): string =>
  why.startsWith('no sites')
    ? `left as they were: ${bytesText(bytes)} that are ${why}`
    : `left as they were: ${bytesText(bytes)} of ${names.length} ${names.length === 1 ? 'site' : 'sites'} (${names.slice(0, 3).join('; ')}${names.length > 3 ? '; …' : ''}): ${why}`

/** Puts together what is said of a run. */
export const resultOf = async (run: Run): Promise<CompressionResult> => {
  const { model, small, cut, path, saved, reports, seconds, quality } = run
  const bytesBefore = await weightBytes(path)
  const provenance = (small.provenance ?? []).slice(model.provenance?.length ?? 0)
  const sites = cutSites(model, small)
  const { parameters } = sizeOfModel(cut ? small : model)
  const touched = new Set([...reports.touched(), ...sites])
  const { path: out, bytes: bytesAfter, notes } = saved
  const layers = reports.layers()
  const steps = reports.steps().map((step, i) => ({ ...step, options: provenance[i]?.options ?? {} }))
  const sizes = await storedSizes(saved)
  const known = new Map(sitesOf(model).map(({ name, weight }) => [name, weight] as const))
  const compressedBytes = layers.reduce((sum, { layer, after }) => sum + (sizes.get(known.get(layer) ?? '') ?? after), 0)
  const weights = layers.reduce((sum, each) => sum + each.weights, 0)
  return {
    ...{
      source: path,
      out,
      architecture: model.architecture,
      bytesBefore,
      bytesAfter,
      timesSmaller: bytesBefore / Math.max(1, bytesAfter),
    },
    ...{ bitsPerWeight: (8 * bytesAfter) / parameters, seconds },
    steps,
    ...(cut ? { cut } : {}),
    compressed: shareOf(weights, compressedBytes),
    rest: shareOf(Math.max(0, parameters - weights), Math.max(0, bytesAfter - compressedBytes)),
    ...{ layers, left: steps.length === 0 ? [] : leftAlone(model, touched), notes, ...(quality ? { quality } : {}) },
    ...(saved.growth === undefined ? {} : { growth: saved.growth }),
  }
}

/** Bytes of parameters as the result stores them, by name; what a format calls otherwise is not among them. */
const storedSizes = async ({ path }: SavedModel): Promise<ReadonlyMap<string, number>> => {
  const model = await openModel(path, { parametersOnly: true })
  try {
    return new Map(model.params.names().map(name => [name, model.params.info(name).byteLength]))
  } finally {
    await model.close?.()
  }
}
