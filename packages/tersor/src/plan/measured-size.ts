import * as tf from '@tensorflow/tfjs-core'
import { compress, createRng, pack, pipeline, siteProduct, type Method, type Model, type Site, type Step } from '@tersor/core'
import { byteLength, fromFloat32, memoryStore, type DType } from '@tersor/tensor'

/** Sides of the matrices that are tried: enough for groups of 256 columns and the usual ranks. */
const ROWS = [128, 256] as const
const COLUMNS = [256, 512] as const
const INPUTS = 64

/** A matrix that steps are to be tried on. */
export interface Trial {
  readonly site: Site
  readonly steps: readonly Method[]
  readonly dtype: DType
  readonly rows: number
  readonly columns: number
  /** Whether zeros are packed away at the end. */
  readonly packs: boolean
}

/** A network of one product, of noise. */
const oneProduct = ({ site, dtype }: Trial, rows: number, columns: number): Model => {
  const rng = createRng(0).fork('plan')
  const values = Float32Array.from({ length: rows * columns }, () => rng.normal() / Math.sqrt(columns))
  const own: Site = { name: site.name, weight: 'weight', kind: 'linear', outAxis: 0, inAxis: 1 }
  const run = (x: tf.Tensor, env: Parameters<Model['stages'][number]['run']>[1]): tf.Tensor =>
    tf.tidy(() => siteProduct(own, x, env, (input, weight) => tf.matMul(input, weight, false, true)))
  return {
    params: memoryStore({ weight: fromFloat32(values, dtype, [rows, columns]) }),
    stages: [{ name: 'plan', parameters: ['weight'], sites: [own], run }],
  }
}

interface Tried {
  readonly bytes: number
  readonly seconds: number
}

const tryOn = async (trial: Trial, rows: number, columns: number): Promise<Tried> => {
  const everywhere = ({ except: _left, ...step }: Method): Step => ({ ...step, only: '*' })
  const steps = [...trial.steps.map(everywhere), ...(trial.packs ? [pack()] : [])]
  const rng = createRng(1).fork('plan')
  const inputs = tf.tensor2d(
    Float32Array.from({ length: INPUTS * columns }, () => rng.normal()),
    [INPUTS, columns],
  )
  try {
    const model = oneProduct(trial, rows, columns)
    const started = performance.now()
    const small = await compress(model, pipeline(...steps), { calibration: [inputs] })
    return { bytes: byteLength(await small.params.read('weight')), seconds: (performance.now() - started) / 1000 }
  } finally {
    inputs.dispose()
  }
}

/** Sides to try for one of a matrix: two small ones, or itself where it is small or has no such part. */
const sidesOf = (side: number, tried: readonly [number, number]): readonly [number, number] =>
  side > tried[1] && side % tried[0] === 0 ? tried : [side, side]

/**
 * The bytes that steps will make of a matrix, from what they make of noise in four small ones: bytes grow with rows, with columns and with both,
 * b = b₀ + b₁·rows + b₂·columns + b₃·rows·columns. The seconds are those of the largest of the four for as many weights. Reads nothing.
 * Throws what the steps throw.
 */
export const measuredSize = async (trial: Trial): Promise<Tried> => {
  const [[r1, r2], [c1, c2]] = [sidesOf(trial.rows, ROWS), sidesOf(trial.columns, COLUMNS)]
  const known = new Map<string, Promise<Tried>>()
  const at = (rows: number, columns: number): Promise<Tried> => {
    const key = `${rows} ${columns}`
    if (!known.has(key)) known.set(key, tryOn(trial, rows, columns))
    return known.get(key)!
  }
  const alongRows = async (columns: number): Promise<number> => {
    const { bytes: first } = await at(r1, columns)
    return r1 === r2 ? first : first + (((await at(r2, columns)).bytes - first) * (trial.rows - r1)) / (r2 - r1)
  }
  const first = await alongRows(c1)
  const bytes = c1 === c2 ? first : first + (((await alongRows(c2)) - first) * (trial.columns - c1)) / (c2 - c1)
  const { seconds } = await at(r2, c2) // the last, when all is loaded
  return { bytes: Math.round(bytes), seconds: (seconds * trial.rows * trial.columns) / (r2 * c2) }
}
