import * as tf from '@tensorflow/tfjs-core'
import { DTYPES, fromFloat32, fromIntegers, type DType, type Parameter, type ParameterStore } from '@tersor/tensor'
import type { Activation, Env, InputGrid, Model, Site, Stage } from './model.js'
import { onRowGrids, rowGridName, storedRowGrids, withRowGrids } from './row-grid.js'

/** The line that the inputs of a site are rounded to: value = scale · (code − zero), code 0 … 2^bits − 1; one for the whole tensor. */
export interface ActivationGrid {
  readonly bits: number
  readonly scale: number
  /** The code that stands for 0. */
  readonly zero: number
}

/** Where the grid of a site's inputs stands in the store: the scale, f32 (1), and the zero, u1-u8 (1), whose width says how many bits there are. */
export const activationNames = (site: Pick<Site, 'name'>): readonly [scale: string, zero: string] => [
  `${site.name}.input_scale`,
  `${site.name}.input_zero_point`,
]

/** All that a store may say of how a site's inputs are rounded: its grid, or that each row has its own. */
export const inputNames = (site: Pick<Site, 'name'>): readonly string[] => [...activationNames(site), rowGridName(site)]

/** The two parameters of a grid, by name. */
export const activationParameters = (site: Site, { bits, scale, zero }: ActivationGrid): ReadonlyMap<string, Parameter> => {
  const [scaleName, zeroName] = activationNames(site)
  return new Map<string, Parameter>([
    [scaleName, fromFloat32([scale], 'f32', [1])],
    [zeroName, fromIntegers([zero], `u${bits}` as DType, [1])],
  ])
}

/**
 * scale · (clamp(round(x / scale) + zero, 0, 2^bits − 1) − zero), ties to even; scale and zero: (1).
 * The gradient passes straight through where the code is within 0 … 2^bits − 1 before it is clamped, and is 0 outside; scale and zero get none.
 * Bengio et al. 2013, https://arxiv.org/abs/1308.3432
 */
export const fakeQuantize = (x: tf.Tensor, scale: tf.Tensor, zero: tf.Tensor, bits: number): tf.Tensor => {
  const most = 2 ** bits - 1
  const rounded = tf.customGrad((input, save) => {
    const offset = tf.cast(zero, 'float32')
    const unbounded = tf.add(tf.round(tf.div(input as tf.Tensor, scale)), offset)
    const codes = tf.clipByValue(unbounded, 0, most)
    ;(save as tf.GradSaveFunc)([tf.cast(tf.equal(unbounded, codes), 'float32')])
    return {
      value: tf.mul(tf.sub(codes, offset), scale),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(dy, saved[0]),
    }
  })
  return rounded(x)
}

/** Bits of the grids that a store holds for the sites of a stage, by the site's name. */
const storedBits = ({ sites }: Stage, params: ParameterStore): ReadonlyMap<string, number> => {
  const stored = new Set(params.names())
  const quantized = sites.filter(site => activationNames(site).every(name => stored.has(name)))
  return new Map(quantized.map(site => [site.name, DTYPES[params.info(activationNames(site)[1]).dtype ?? 'u8'].bits]))
}

/** What a stage is given while it runs, with the inputs of its sites rounded to grids; `bits` by the name of each site that has one. */
const onGrids = (env: Env, bits: ReadonlyMap<string, number>): Env => {
  const inputGrid = (site: Site): InputGrid | undefined => {
    const width = bits.get(site.name)
    if (width === undefined) return env.inputGrid?.(site)
    const [scale, zero] = activationNames(site)
    return { bits: width, scale: env.weights(scale), zero: env.weights(zero) }
  }
  const activation: Activation = (site, input) => {
    const grid = bits.has(site.name) ? inputGrid(site) : undefined
    return grid ? fakeQuantize(input, grid.scale, grid.zero, grid.bits) : (env.activation?.(site, input) ?? input)
  }
  return { ...env, activation, inputGrid }
}

/** A stage whose sites multiply inputs that are rounded to the grids of its parameters; `bits` by the name of each site that has one. */
export const withActivationGrids = (stage: Stage, bits: ReadonlyMap<string, number>): Stage => {
  if (bits.size === 0) return stage
  const added = stage.sites.filter(({ name }) => bits.has(name)).flatMap(activationNames)
  return Object.freeze<Stage>({
    ...stage,
    parameters: [...new Set([...stage.parameters, ...added])],
    buffers: [...new Set([...(stage.buffers ?? []), ...added])],
    run: (x, env) => stage.run(x, onGrids(env, bits)),
  })
}

/** The same for a model that is run as a whole, past its stages: with what its store says of the inputs of its sites. */
export const withStoredGrids = ({ stages, params }: Model, env: Env): Env => {
  const rows = new Set(stages.flatMap(stage => [...storedRowGrids(stage, params)]))
  return onGrids(onRowGrids(env, rows), new Map(stages.flatMap(stage => [...storedBits(stage, params)])))
}

/**
 * A model whose stages round the inputs of their sites as its store says, on a grid for all of them or on one for each row; where it says nothing
 * the model stays as it is. Throws UNSUPPORTED for grids of rows where another runtime computes.
 */
export const quantizedActivations = <M extends Model>(model: M): M => {
  const { params } = model
  const stages = model.stages.map(stage =>
    withRowGrids(withActivationGrids(stage, storedBits(stage, params)), storedRowGrids(stage, params)),
  )
  return stages.every((stage, index) => stage === model.stages[index]) ? model : { ...model, stages }
}
