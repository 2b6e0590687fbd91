import { sitesOf, type Model } from '@tersor/core/model'
import { sizeOf } from '@tersor/tensor'
import { totalmem } from 'node:os'
import { bytesText, note, paint, type Terminal } from './output.js'

/** Node, ONNX Runtime and our code. */
const RUNTIME = 300 * 2 ** 20
const FLOAT = 4

export interface WorkDone {
  /** Whether inputs go through the model, with second moments of them. */
  readonly calibrated?: boolean
  /** Bytes of activations in memory. */
  readonly activationBytes?: number
}

/**
 * What a command takes at most of a model, in bytes: the runtime, three times the largest parameter as it is stored (read ahead, changed,
 * written), twice the largest stage as it is stored, and eight times the largest weight of a site as float32. With inputs besides: the
 * largest stage as float32, five matrices of (in, in) of the widest site, and the activations.
 */
export const memoryBound = (model: Model, { calibrated = false, activationBytes = 0 }: WorkDone): number => {
  const { params, stages } = model
  const most = (sizes: readonly number[]): number => sizes.reduce((a, b) => Math.max(a, b), 0)
  const known = new Set(params.names())
  const stageSizes = stages.map(({ parameters }) => parameters.filter(name => known.has(name)).map(name => params.info(name)))
  const stored = most(stageSizes.map(infos => infos.reduce((sum, { byteLength }) => sum + byteLength, 0)))
  const shapes = sitesOf(model).flatMap(({ weight, outAxis }) => {
    const { shape } = params.info(weight)
    return shape.length < 2 ? [] : [{ size: sizeOf(shape), columns: sizeOf(shape) / shape[outAxis] }]
  })
  const plain =
    RUNTIME + 3 * most([...known].map(name => params.info(name).byteLength)) + 2 * stored + 8 * FLOAT * most(shapes.map(({ size }) => size))
  if (!calibrated) return plain
  const floats = most(stageSizes.map(infos => infos.reduce((sum, { shape }) => sum + FLOAT * sizeOf(shape), 0)))
  return plain + floats + 5 * FLOAT * most(shapes.map(({ columns }) => columns ** 2)) + activationBytes
}

/** What this process may take: what its container gives, or what the machine has. */
const memoryHere = (): number => {
  const constrained = (process as { constrainedMemory?: () => number | undefined }).constrainedMemory?.() ?? 0
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}

/** Says so where a command may take more than there is. */
export const noteMemory = (terminal: Terminal, model: Model, work: WorkDone, available = memoryHere()): void => {
  const bound = memoryBound(model, work)
  if (bound <= available) return
  const where = work.calibrated ? ' A smaller --activation-memory helps a little.' : ''
  note(
    terminal,
    paint(
      terminal,
      `This may take ${bytesText(bound)} of memory, and there are ${bytesText(available)}: the system may end it.${where}`,
      'yellow',
    ),
  )
}
