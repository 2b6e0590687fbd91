import * as tf from '@tensorflow/tfjs-core'
import { createRng, decode, type Job, type Method } from '@tersor/core'
import { fromFloat32, type Parameter } from '@tersor/tensor'

/** A rectangular matrix as rows. */
export type Rows = readonly (readonly number[])[]

export interface RunMethod {
  /** (out, in). */
  readonly weight: Rows
  /** (tokens, in), for methods that learn from inputs. */
  readonly inputs?: Rows
  /** What stands at the site, where it is not the plain weight. */
  readonly current?: Parameter
  /** 1 where the weight was kept by an earlier step. */
  readonly mask?: Rows
  readonly onWarning?: (message: string) => void
}

/** Applies a method to one small matrix and gives the tree, for checks by hand. */
export const applyMethod = async (method: Method, { weight, inputs = [], current, mask, onWarning }: RunMethod): Promise<Parameter> => {
  const site = { name: 'site', weight: 'site.weight', kind: 'linear' as const, outAxis: 0, inAxis: 1 }
  const matrix = (rows: Rows): tf.Tensor2D => tf.tensor2d(rows.map(row => [...row]))
  const original = matrix(weight)
  const standing = current ?? fromFloat32(weight.flat(), 'f32', original.shape)
  const now = decode(standing) as tf.Tensor2D
  const stats =
    method.calibrate && inputs.length > 0
      ? tf.tidy(() => method.calibrate!.update(method.calibrate!.init(site, inputs[0].length), matrix(inputs), site))
      : undefined
  const kept = mask ? matrix(mask) : undefined
  const job: Job<any> = {
    site,
    stats,
    samples: inputs.length,
    rng: createRng(0),
    signal: new AbortController().signal,
    current: standing,
    dtype: 'f32',
    original: async () => tf.clone(original),
    warn: message => onWarning?.(message),
    ...(kept ? { mask: kept } : {}),
  }
  try {
    return await method.apply(now, job)
  } finally {
    tf.dispose([original, now, ...(kept ? [kept] : []), ...(stats === undefined ? [] : [stats as tf.Tensor])])
  }
}

/** The numbers a tree stands for, row by row. */
export const valuesOf = async (parameter: Parameter): Promise<number[][]> => {
  const tensor = decode(parameter)
  const rows = (await tensor.array()) as number[][]
  tensor.dispose()
  return rows
}

/** Random rows from a seed: normal, with a part that all columns share, so that second moments are not diagonal. */
export const randomRows = (rows: number, columns: number, seed: number, shared = 0): number[][] => {
  const rng = createRng(seed)
  return Array.from({ length: rows }, () => {
    const common = rng.normal() * shared
    return Array.from({ length: columns }, () => rng.normal() + common)
  })
}
