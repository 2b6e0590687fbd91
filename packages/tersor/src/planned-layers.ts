import { selects, sitesOf, type Method, type Site, type Step } from '@tersor/core'
import type { PlannedLayer } from '@tersor/formats/gptq'
import type { OpenedModel } from '@tersor/models'
import { CompressionError } from '@tersor/tensor'
import type { FormatFlags, OutputFormat } from './format-flags.js'

type Why = (layer: PlannedLayer) => { readonly reason: string; readonly step: string } | undefined

/** How folders for other runtimes judge a layer, loaded when one is to be written. */
const JUDGES: Partial<Record<OutputFormat, (flags: FormatFlags) => Promise<Why>>> = {
  gptq: async () => (await import('@tersor/formats/gptq')).whyNoGptq,
  awq: async () => (await import('@tersor/formats/awq')).whyNoAwq,
  'compressed-tensors': async ({ checkpointFormat }) => {
    const { whyNoCompressedTensors } = await import('@tersor/formats/compressed-tensors')
    const format = checkpointFormat === 'int-quantized' ? checkpointFormat : 'pack-quantized'
    return layer => whyNoCompressedTensors(layer, format)
  },
}

/** Steps whose codes lie on no grid of integers with integer zeros, and the formats that take them all the same. */
const OTHER_CODES: Readonly<Record<string, readonly OutputFormat[]>> = {
  ...{ hqq: [], nf4: [], fp4: [], 'k-quant': [] },
  ...{ fp8: ['compressed-tensors'], nvfp4: ['compressed-tensors'], mxfp4: ['compressed-tensors'] },
}

const refuse = (format: OutputFormat, what: string, step: string): CompressionError =>
  new CompressionError('UNSUPPORTED', `The format ${format} will have no place for the result: ${what}.`, step, { format })

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
 * Refuses what can be known of the last rounding step before any work is done: codes of another kind, embeddings, bits, groups and extents.
 * Throws UNSUPPORTED.
 */
export const refusePlanned = async (model: OpenedModel, steps: readonly Step[], flags: FormatFlags): Promise<void> => {
  const { format } = flags
  const why = await JUDGES[format]?.(flags)
  if (why === undefined) return
  const { isEmbedding } = await import('@tersor/formats/huggingface')
  for (const step of steps.filter(isMethod)) {
    const takers = Object.hasOwn(OTHER_CODES, step.name) ? OTHER_CODES[step.name] : undefined
    if (takers && !takers.includes(format))
      throw refuse(
        format,
        `${step.name} makes codes that are no grid with whole zeros`,
        'Quantize with gptq or rtn, or use --format huggingface.',
      )
    for (const site of sitesOf(model).filter(selects(step))) {
      const layer = plannedLayer(step, site, model)
      const isCoded = layer !== undefined || takers !== undefined
      if (isCoded && isEmbedding(site.weight))
        throw refuse(
          format,
          `${site.weight} is a table of embeddings, which loaders take plain only`,
          "Give the step only='model.layers.*', or none at all.",
        )
      const misfit = layer && why(layer)
      if (misfit) throw refuse(format, `${site.weight} ${misfit.reason}`, misfit.step)
    }
  }
}
