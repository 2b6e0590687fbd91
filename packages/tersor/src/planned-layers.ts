import { selects, sitesOf, type Method, type Site, type Step } from '@tersor/core'
import type { PlannedLayer } from '@tersor/formats/gptq'
import type { OpenedModel } from '@tersor/models'
import { loadFormats } from '@tersor/models/formats'
import { CompressionError } from '@tersor/tensor'
import type { FormatFlags, OutputFormat } from './format-flags.js'
import { noPrompts } from './place-in-format.js'
import { writerOf } from './writer-of.js'

/** Steps whose codes lie on no grid of integers with integer zeros. */
const OFF_THE_GRID: readonly string[] = ['hqq', 'nf4', 'fp4', 'k-quant', 'fp8', 'nvfp4', 'mxfp4']

const refuse = (format: OutputFormat, what: string, step: string): CompressionError =>
  new CompressionError('UNSUPPORTED', `The format ${format} will have no place for the result: ${what}.`, step, { format })

/** The step that learns a prompt of vectors. */
const PROMPTS = 'compress-then-prompt'

/** Steps in order, those of pipelines among them. */
const eachStep = (steps: readonly Step[]): readonly Step[] =>
  steps.flatMap(step =>
    step.kind === 'pass' && step.steps ? eachStep(step.steps) : step.kind === 'pass' && step.methods ? step.methods : [step],
  )

const isMethod = (step: Step): step is Method => step.kind === 'method'

/** The layer that a step on a regular grid will make of a site; undefined for steps of other kinds. */
const plannedLayer = ({ options = {} }: Method, site: Site, model: OpenedModel): PlannedLayer | undefined => {
  const { bits, symmetric, granularity, group = 128 } = options
  const { shape } = model.params.info(site.weight)
  if (typeof bits !== 'number' || typeof symmetric !== 'boolean' || typeof group !== 'number' || shape.length !== 2) return undefined
  const columns = shape[site.inAxis]
  return { rows: shape[site.outAxis], columns, bits, symmetric, group: granularity === 'group' ? Math.min(group, columns) : columns }
}

/**
 * Refuses what can be known of the steps before any work is done: a prompt, and of the last rounding codes of another kind, embeddings, bits,
 * groups and extents.
 * Throws UNSUPPORTED.
 */
export const refusePlanned = async (model: OpenedModel, steps: readonly Step[], flags: FormatFlags): Promise<void> => {
  const { format } = flags
  const { judge, takes = [], prompts } = await writerOf(format)
  if (!prompts && eachStep(steps).some(({ name, options }) => name === PROMPTS && options?.vectors !== 0))
    throw noPrompts(format, await loadFormats())
  const why = await judge?.(flags)
  if (why === undefined) return
  const { isEmbedding } = await import('@tersor/formats/huggingface')
  for (const step of steps.filter(isMethod)) {
    const isOff = OFF_THE_GRID.includes(step.name)
    if (isOff && !takes.includes(step.name))
      throw refuse(
        format,
        `${step.name} makes codes that are no grid with whole zeros`,
        'Quantize with gptq or rtn, or use --format huggingface.',
      )
    for (const site of sitesOf(model).filter(selects(step))) {
      const layer = plannedLayer(step, site, model)
      const isCoded = layer !== undefined || isOff
      if (isCoded && isEmbedding(site.weight))
        throw refuse(
          format,
          `${site.weight} is a table of embeddings, which loaders take plain only`,
          "Give the step only='model.layers.*', or none at all.",
        )
      const refusal = layer && why(layer)
      if (refusal) throw refuse(format, `${site.weight} ${refusal.reason}`, refusal.step)
    }
  }
}
