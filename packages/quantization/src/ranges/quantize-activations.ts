import * as tf from '@tensorflow/tfjs-core'
import {
  ONLY,
  activationNames,
  activationParameters,
  boolean,
  definePass,
  integer,
  lineBetween,
  selectedSites,
  selects,
  siteOnGrid,
  value,
  walkStages,
  withActivationGrids,
  type ActivationGrid,
  type Site,
  type Stage,
  type Tap,
  type Visit,
} from '@tersor/core'
import { CompressionError, type ParameterStore } from '@tersor/tensor'
import { minMaxObserver } from './min-max.js'
import { isObserver, type Levels, type Observer } from './observer.js'

const refuseQuantized = (params: ParameterStore, sites: readonly Site[]): void => {
  const quantized = siteOnGrid(params, sites)
  if (!quantized) return
  throw new CompressionError(
    'COMPOSITION',
    `The inputs of "${quantized.name}" are quantized already.`,
    'Use quantize-activations once a site; `only` names the others.',
    { site: quantized.name },
  )
}

/** What an observer learned at each site of a stage: inputs are read batch by batch and not kept. */
const observeSites = async (
  observer: Observer,
  chosen: ReadonlySet<string>,
  gather: Visit['gather'],
): Promise<ReadonlyMap<string, unknown>> => {
  const states = new Map<string, unknown>() // by the site's name
  const waiting: (readonly [Site, tf.Tensor])[] = []
  const tap: Tap = (site, input) => {
    if (chosen.has(site.name)) waiting.push([site, tf.keep(tf.clone(input))])
  }
  try {
    await gather(tap, async () => {
      for (const [{ name }, input] of waiting)
        states.set(name, observer.update(states.get(name) ?? observer.init(), await input.data<'float32'>()))
      waiting.splice(0).forEach(([, input]) => input.dispose())
    })
    return states
  } finally {
    waiting.forEach(([, input]) => input.dispose())
  }
}

const NOTHING: readonly [low: number, high: number] = [0, 0]

const gridOfInputs = (site: Site, [low, high]: readonly [number, number], { bits, symmetric }: Levels): ActivationGrid => {
  if (Number.isFinite(low) && Number.isFinite(high)) return { bits, ...lineBetween(low, high, { bits, symmetric }) }
  throw new CompressionError(
    'NOT_FINITE',
    `The inputs of "${site.name}" reach from ${low} to ${high}.`,
    'Look at the calibration data and the steps before: no grid holds these.',
    { site: site.name, low, high },
  )
}

/**
 * Puts the inputs of each site on a grid of 2^b codes, one for the whole tensor, whose range an observer learns from calibration:
 * x̂ = scale · (clamp(round(x / scale) + zero, 0, 2^b − 1) − zero). With 8-bit weights this is static int8: both sides of every product are
 * integers. The grids stand in the store as `site.input_scale` and `site.input_zero_point`, and the stages apply them in every forward pass.
 * Jacob et al. 2017, https://arxiv.org/abs/1712.05877. Throws BAD_OPTION, NO_CALIBRATION, NOT_FOUND, COMPOSITION where a site has a grid already.
 */
export const quantizeActivations = definePass({
  name: 'quantize-activations',
  summary: 'puts the inputs of each site on a grid learned from calibration',
  paper: {
    title: 'Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference',
    authors: 'Jacob et al.',
    year: 2017,
    url: 'https://arxiv.org/abs/1712.05877',
  },
  differs: 'ranges are observed after training, and later stages see the inputs that the quantized ones before give',
  options: {
    bits: integer({ min: 2, max: 8, default: 8, doc: 'bits of a code' }),
    symmetric: boolean({ default: false, doc: 'whether zero is the middle code, as in int8 without a zero point' }),
    observer: value<Observer>({ of: 'observer', is: isObserver, default: minMaxObserver(), doc: 'what finds the range' }),
    ...ONLY,
  },
  run: async (model, context, options) => {
    const { only, except, observer } = options
    const step = { name: 'quantize-activations', ...(only === undefined ? {} : { only }), ...(except === undefined ? {} : { except }) }
    const sites = selectedSites(model, step, selects(step))
    refuseQuantized(model.params, sites)
    const chosen = new Set(sites.map(({ name }) => name))
    const walk = {
      pass: 'quantize-activations',
      calibrated: true,
      visits: (stage: Stage) => stage.sites.some(({ name }) => chosen.has(name)),
      restage: (stage: Stage, has: (name: string) => boolean) => {
        const made = stage.sites.filter(site => chosen.has(site.name) && activationNames(site).every(has))
        return withActivationGrids(stage, new Map(made.map(({ name }) => [name, options.bits])))
      },
    }
    return walkStages(model, context, walk, async ({ stage, gather, replace, emit }) => {
      const states = await observeSites(observer, chosen, gather)
      const rangeOf = (name: string) => (states.has(name) ? observer.range(states.get(name), options) : NOTHING)
      for (const site of stage.sites.filter(({ name }) => chosen.has(name))) {
        const range = rangeOf(site.name)
        if (range.some(end => end !== 0))
          activationParameters(site, gridOfInputs(site, range, options)).forEach((parameter, name) => replace(name, parameter))
        // experts that no token chose see zeros
        else emit({ type: 'warning', pass: walk.pass, site: site.name, message: 'no input came by in calibration: it stays as it is' })
      }
    })
  },
})
