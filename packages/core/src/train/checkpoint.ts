import * as tf from '@tensorflow/tfjs-core'
import { CompressionError, dense, fromFloat32, fromIntegers, hasCode, type Dense, type Parameter } from '@tersor/tensor'
import { decode } from '../model/decode.js'
import { sha256Digests } from '../run/digest.js'
import type { Scratch } from '../run/scratch.js'
import { tensorsOf } from './backward.js'
import { checkPositive } from './check-positive.js'

/** Where a training leaves what it needs to go on after a kill. */
export interface Checkpoint {
  /** Begun by whoever owns it; `compress` does for its steps. */
  readonly scratch: Scratch
  /** Steps from one to the next. */
  readonly every: number
  /** Tells the trainings of one scratch folder apart; "training" where absent. */
  readonly unit?: string
}

/** Throws BAD_OPTION. */
export const checkCheckpoint = (owner: string, { every }: Checkpoint): void =>
  checkPositive(owner, 'checkpoint.every', every, 'steps from one to the next')

/** What a training is told by: it goes on only over the same. */
export type Identity = Readonly<Record<string, string>>

/** Everything of a training at a step. */
export interface Snapshot {
  readonly identity: Identity
  readonly numbers: readonly number[]
  readonly tensors: ReadonlyMap<string, tf.Tensor>
}

const NUMBERS = ' numbers'
const IDENTITY = ' identity'

const parameterOf = async (tensor: tf.Tensor): Promise<Parameter> =>
  tensor.dtype === 'float32'
    ? fromFloat32(await tensor.data<'float32'>(), 'f32', tensor.shape)
    : fromIntegers(await tensor.data<'int32'>(), 'i32', tensor.shape)

/** SHA-256 of the tensors of a batch with their names and shapes. */
export const digestOfBatch = async (batch: object): Promise<string> => {
  const digests = sha256Digests()
  const parts: string[] = []
  for (const [name, tensor] of tensorsOf(batch)) {
    const { buffer, byteOffset, byteLength } = await tensor.data()
    parts.push(`${name} ${tensor.dtype} ${tensor.shape} ${await digests.of(new Uint8Array(buffer, byteOffset, byteLength))}`)
  }
  return digests.of(new TextEncoder().encode(parts.join('\n')))
}

/** What a checkpoint was made with that is not so now, by name. */
const otherThan = (found: Identity, now: Identity): string | undefined =>
  Object.keys(now).find(name => found[name] !== now[name]) ?? Object.keys(found).find(name => !(name in now))

const unlike = (path: string, step: number, what: string, found: Identity, now: Identity): CompressionError =>
  new CompressionError(
    'RESUME',
    `The checkpoint of step ${step} in ${path} was made with other ${what}: ${found[what] ?? 'none'}, where it is ${now[what] ?? 'none'} now.`,
    'Train with what the stopped training had, or begin anew.',
    { what, path, step },
  )

export interface Checkpoints {
  /** The last one that can be read whole; the tensors are the caller's. Throws RESUME where it is of another training. */
  load(identity: Identity): Promise<Pick<Snapshot, 'numbers' | 'tensors'> | undefined>
  save(snapshot: Snapshot): Promise<void>
}

/**
 * The checkpoints of a training: two units in turn, so that a kill while one is written leaves the other. From an older one the same bytes
 * come a little later, so one that is damaged is passed over.
 */
export const checkpointsOf = ({ scratch, unit = 'training' }: Checkpoint): Checkpoints => {
  let next = 0
  const read = async (at: number) => {
    const found = await scratch.find(`${unit}-checkpoint-${at}`).catch((error: unknown) => {
      if (hasCode(error, 'BAD_FILE') || hasCode(error, 'DISK')) return undefined
      throw error
    })
    if (!found) return undefined
    const { bytes } = (await found.params.read(NUMBERS)) as Dense
    const text = (await found.params.read(IDENTITY)) as Dense
    const numbers = [...new Float64Array(bytes.slice().buffer)]
    return { at, numbers, identity: JSON.parse(new TextDecoder().decode(text.bytes)) as Identity, params: found.params }
  }
  return {
    load: async identity => {
      const found = (await Promise.all([read(0), read(1)])).filter(each => each !== undefined)
      try {
        const last = found.sort((a, b) => b.numbers[0] - a.numbers[0])[0]
        if (!last) return undefined
        const what = otherThan(last.identity, identity)
        if (what !== undefined) throw unlike(scratch.path, last.numbers[0], what, last.identity, identity)
        next = 1 - last.at
        const tensors = new Map<string, tf.Tensor>()
        for (const name of last.params.names())
          if (name !== NUMBERS && name !== IDENTITY) tensors.set(name, tf.keep(decode(await last.params.read(name))))
        return { numbers: last.numbers, tensors }
      } finally {
        for (const { params } of found) await params.close?.()
      }
    },
    save: async ({ identity, numbers, tensors }) => {
      const text = new TextEncoder().encode(JSON.stringify(identity))
      const parameters = new Map<string, Parameter>([
        [NUMBERS, dense('f64', [numbers.length], new Uint8Array(Float64Array.from(numbers).buffer))],
        [IDENTITY, dense('u8', [text.byteLength], text)],
      ])
      for (const [name, tensor] of tensors) parameters.set(name, await parameterOf(tensor))
      const written = await scratch.save(`${unit}-checkpoint-${next}`, parameters, [])
      await written.close?.()
      next = 1 - next
    },
  }
}
