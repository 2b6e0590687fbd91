import type { BackendValues, DataType, TensorInfo } from '@tensorflow/tfjs-core'
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu'
import type { BufferPool } from './buffers.js'
import type { Operand, Value } from './trace-types.js'

/** What the backend asks of the machinery behind it. */
export interface Machinery {
  readonly pool: BufferPool
  flush(): void
  /** Frees the graphs in which constants of the caller stand. */
  forgetEmbedded(): void
}

const isView = (values: unknown): values is Float32Array => ArrayBuffer.isView(values)

/** Marks a value with what recording needs; tfjs-cpu makes plain ones. */
function adopt(value: Value, id: object, literal: boolean): Value {
  return Object.assign(value, { id, owned: true, node: null, pins: 0, literal })
}

/**
 * tfjs-cpu with values that may still be pending.
 * It inherits every operation and gradient; reading a pending value runs the recorded graph first.
 */
export class OrtBackend extends MathBackendCPU {
  readonly #engine: Machinery
  /** Bytes of disposed tensors that pending nodes still read; the flush sets it back. */
  heldBytes = 0
  /** Told of every value that JavaScript asks for, while a function is recorded: what it makes of one is frozen into the graph. */
  onRead: ((value: Value) => void) | null = null

  constructor(
    engine: Machinery,
    /** The whole engine, for `configure` and its like, which find the backend through tfjs's registry. */
    readonly controls: () => unknown,
  ) {
    super()
    this.#engine = engine
    Object.assign(this, { firstUse: false }) // tfjs-cpu would advise to install tfjs-node
  }

  valueFor(id: object): Value {
    return this.data.get(id) as Value
  }

  /** Keeps a snapshot: kernels run later, when the caller may have overwritten its array. */
  override write(values: BackendValues, shape: number[], dtype: DataType): object {
    return this.#store(isView(values) ? values.slice() : values, shape, dtype, true)
  }

  /** Results of tfjs-cpu kernels come this way and need no copy, unless they are views of a recycled array. */
  override makeTensorInfo(shape: number[], dtype: DataType, values?: BackendValues | string[]): TensorInfo {
    if (dtype === 'string') return super.makeTensorInfo(shape, dtype, values as string[])
    const plain = values as BackendValues
    const dataId = this.#store(isView(plain) && this.#engine.pool.owns(plain) ? plain.slice() : plain, shape, dtype, false)
    return { dataId, shape, dtype }
  }

  #store(values: BackendValues, shape: number[], dtype: DataType, written: boolean): object {
    const id = super.write(values, shape, dtype)
    adopt(this.valueFor(id), id, written && dtype === 'float32' && isView(values) && values.length === 1)
    return id
  }

  override move(id: object, values: BackendValues, shape: number[], dtype: DataType, refCount: number): void {
    super.move(id, values, shape, dtype, refCount)
    adopt(this.valueFor(id), id, false)
  }

  override readSync(id: object): BackendValues {
    const value = this.valueFor(id)
    this.materialise(value)
    if (isView(value.values)) this.#engine.pool.forget(value.values) // the caller holds the array from now on
    return super.readSync(id)
  }

  override disposeData(id: object, force = false): boolean {
    if (!this.data.has(id)) return true
    const value = this.valueFor(id)
    const gone = super.disposeData(id, force)
    if (gone) {
      value.owned = false
      if (value.embedded !== undefined) this.#engine.forgetEmbedded()
      if (value.pins > 0 && isView(value.values)) this.heldBytes += value.values.byteLength
      this.recycle(value)
    }
    return gone
  }

  override async time(run: () => void) {
    this.#engine.flush()
    const start = performance.now()
    run()
    this.#engine.flush()
    return { kernelMs: performance.now() - start }
  }

  /** Runs what is recorded, if the value is part of it. */
  materialise(value: Value): void {
    this.onRead?.(value)
    if (value.node !== null) this.#engine.flush()
    if (value.failure !== undefined) throw value.failure
  }

  /** Returns the array to the pool once no tensor owns it and no pending node reads it. */
  recycle(value: Value): void {
    if (value.owned || value.node !== null || value.pins > 0 || value.values === null) return
    this.#engine.pool.give(value.values)
  }

  operandOf(tensor: TensorInfo): Operand {
    return { value: this.valueFor(tensor.dataId), shape: tensor.shape, dtype: tensor.dtype as Operand['dtype'] }
  }

  /** Makes a tensor of an operand; one that a tensor already owns is shared, as reshaping does. */
  own(operand: Operand): TensorInfo {
    const { value, dtype } = operand
    const shape = [...operand.shape]
    if (value.owned && value.id !== undefined) {
      value.refCount++
      return { dataId: value.id, shape, dtype }
    }
    const id = {}
    Object.assign(value, { id, owned: true, refCount: 1 })
    this.data.set(id, value as Parameters<typeof this.data.set>[1])
    return { dataId: id, shape, dtype }
  }
}
