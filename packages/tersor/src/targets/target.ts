import { sitesOf, type Site } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'
import type { FormatFlags, OutputFormat } from '../format-flags.js'

export interface TargetRequest {
  readonly model: OpenedModel
  /** One of the target's. */
  readonly bits: number
  /** Whether there are inputs to learn from. */
  readonly calibrated: boolean
  readonly format: OutputFormat
}

/** Steps as calls, and how their result is written. */
export interface TargetPlan {
  /** None where the writer of the format rounds. */
  readonly steps: readonly string[]
  readonly options?: Omit<FormatFlags, 'format' | 'imatrix'>
  /** Whether columns are weighed by what calibration shows. */
  readonly weighs?: boolean
}

/** A further file in the folder of a result. */
export interface Variant extends TargetPlan {
  readonly name: string
}

/** A runtime that results are for: what its users expect of a model. */
export interface Target {
  readonly name: string
  /** Formats that it loads, the usual first. */
  readonly formats: readonly OutputFormat[]
  readonly bits: readonly number[]
  /** The bits that its users would choose for a model. */
  usualBits(model: OpenedModel): number
  plan(request: TargetRequest): TargetPlan
  /** What the runtime calls the file of a plan, where it chooses among several. */
  nameOf?(bits: number): string
  /** Files beside the first, where no bits were asked for or where its users expect several of them. */
  variants?(request: TargetRequest & { readonly isAsked: boolean }): readonly Variant[]
}

/** Columns of a site's weight as a matrix. */
const columnsOf = (model: OpenedModel, { weight, inAxis }: Site): number => model.params.info(weight).shape[inAxis]

/** Options of a grid over the matrices of a model: the largest group that all of their columns fill, or a scale a row where none does. */
export const groupFor = (model: OpenedModel, groups: readonly number[]): string => {
  const matrices = sitesOf(model).filter(site => site.kind === 'linear' && !site.head && model.params.info(site.weight).shape.length === 2)
  const group = groups.find(each => matrices.every(site => columnsOf(model, site) % each === 0))
  return group === undefined ? 'granularity=row' : `group=${group}`
}

/** Names of the tables and the head, which steps leave alone by themselves; each weight once. */
export const tablesOf = (model: OpenedModel): readonly string[] => {
  const tables = sitesOf(model).filter(({ kind, head }) => kind === 'embedding' || head)
  return [...new Map(tables.map(({ name, weight }) => [weight, name] as const)).values()]
}

/** Whether a network convolves, as those of images do. */
export const convolves = (model: OpenedModel): boolean => sitesOf(model).some(({ kind }) => kind === 'conv2d')
