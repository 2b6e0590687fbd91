import * as tf from '@tensorflow/tfjs-core'
import type { Scratch, Spill } from './scratch.js'

/** Inputs of the stage that runs now, batch by batch: in memory up to a limit, on disk past it. */
export interface Activations {
  readonly count: number
  /** Lends a batch to the body. */
  use<T>(batch: number, body: (x: tf.Tensor) => Promise<T> | T): Promise<T>
  /** Puts the next stage's input in the place of a batch and takes it over. */
  replace(batch: number, next: tf.Tensor): Promise<void>
  /** As many batches, none of them filled yet, within limits of their own. */
  empty(): Activations
  dispose(): Promise<void>
}

interface Held {
  readonly tensor: tf.Tensor
  /** Whether it is ours: calibration batches are the caller's. */
  readonly owned: boolean
}

interface Spilled {
  readonly at: number
  readonly room: number
  readonly bytes: number
  readonly shape: readonly number[]
  readonly dtype: 'float32' | 'int32'
}

type Slot = Held | Spilled

/** A batch that is gone. */
const EMPTY: Spilled = { at: 0, room: 0, bytes: 0, shape: [0], dtype: 'float32' }

const bytesOf = (tensor: tf.Tensor): number => tensor.size * 4
const isHeld = (slot: Slot): slot is Held => 'tensor' in slot

const tensorOf = (bytes: Uint8Array, { shape, dtype }: Spilled): tf.Tensor => {
  const buffer = bytes.buffer as ArrayBuffer
  const type = dtype === 'int32' ? Int32Array : Float32Array
  return tf.tensor(new type(buffer, bytes.byteOffset, bytes.byteLength / 4), [...shape], dtype)
}

/** Holds batches; past `limit` bytes their successors go to the scratch folder, bit for bit. Without one, all stay in memory. */
export const activationsOf = (batches: readonly tf.Tensor[], limit: number, scratch?: Scratch): Activations =>
  holding(
    batches.map(tensor => ({ tensor, owned: false })),
    limit,
    scratch,
  )

const holding = (slots: Slot[], limit: number, scratch?: Scratch): Activations => {
  let held = 0
  let end = 0
  let file: Spill | undefined

  const free = (batch: number): void => {
    const slot = slots[batch]
    if (!isHeld(slot)) return
    if (slot.owned) {
      held -= bytesOf(slot.tensor)
      slot.tensor.dispose()
    }
    slots[batch] = EMPTY
  }
  /** Where so many bytes go: a batch keeps its place in the file while it fits there. */
  const placeFor = (slot: Slot, bytes: number): { readonly at: number; readonly room: number } => {
    if (!isHeld(slot) && slot.room >= bytes) return { at: slot.at, room: slot.room }
    const at = end
    end += bytes
    return { at, room: bytes }
  }
  const spill = async (to: Scratch, batch: number, next: tf.Tensor, { buffer, byteOffset, byteLength }: ArrayBufferView): Promise<void> => {
    const { at, room } = placeFor(slots[batch], byteLength)
    file ??= await to.spill()
    await file.write(at, new Uint8Array(buffer, byteOffset, byteLength))
    slots[batch] = { at, room, bytes: byteLength, shape: next.shape, dtype: next.dtype as Spilled['dtype'] }
    next.dispose()
  }
  return {
    count: slots.length,
    use: async (batch, body) => {
      const slot = slots[batch]
      if (isHeld(slot)) return body(slot.tensor)
      const x = tensorOf(await file!.read(slot.at, slot.bytes), slot)
      try {
        return await body(x)
      } finally {
        x.dispose()
      }
    },
    replace: async (batch, next) => {
      try {
        // read here, so that each batch is computed by itself whatever came before: the same bits in every run
        const values = await next.data<'float32' | 'int32'>()
        free(batch)
        if (scratch && held + bytesOf(next) > limit) return await spill(scratch, batch, next, values)
      } catch (error) {
        next.dispose()
        throw error
      }
      slots[batch] = { tensor: next, owned: true }
      held += bytesOf(next)
    },
    empty: () => holding(slots.map(() => EMPTY), limit, scratch), // prettier-ignore
    dispose: async () => {
      slots.forEach((_, batch) => free(batch))
      await file?.close()
    },
  }
}
