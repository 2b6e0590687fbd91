import { getKernel, type KernelFunc, type TensorInfo } from '@tensorflow/tfjs-core'
import { sizeOf } from '@tersor/tensor'
import { replaceKernel } from './replace-kernel.js'

/** The part of tfjs-backend-wasm that is used. */
interface WasmBackend {
  makeOutput(shape: readonly number[], dtype: 'float32'): TensorInfo
  typedArrayFromHeap(tensor: TensorInfo): Float32Array
  disposeData(id: object): void
}

type Stack = TensorInfo & { readonly shape: [batches: number, rows: number, columns: number] }

const KERNEL = 'BatchMatMul'
const BACKEND = 'wasm'
/** Below so many multiply-adds the plain loops are as quick as turning and cutting first. */
const WORTH_IT = 16_384

const kernelOf = (name: string): KernelFunc => getKernel(name, BACKEND).kernelFunc

/**
 * Gives tfjs's WebAssembly backend fast products of turned and stacked matrices: it has a fast kernel for one plain product at a time, and
 * plain loops, a hundred times slower, for all others. Here matrices are turned first and stacks cut, so that all go the fast way.
 * Call it once the backend is loaded; again does nothing more.
 */
export const registerWasmMatMul = (): void =>
  replaceKernel(KERNEL, BACKEND, product => ({ inputs, attrs, backend }) => {
    const { a: left, b: right } = inputs as { readonly a: TensorInfo; readonly b: TensorInfo }
    const [a, b] = [stackOf(left), stackOf(right)]
    const { transposeA, transposeB } = attrs as { readonly transposeA: boolean; readonly transposeB: boolean }
    const [rows, inner] = transposeA ? [a.shape[2], a.shape[1]] : [a.shape[1], a.shape[2]]
    const columns = transposeB ? b.shape[1] : b.shape[2]
    const isPlain = !transposeA && !transposeB && a.shape[0] === 1 && b.shape[0] === 1
    const outer = outerShape(left, right)
    if (isPlain || !outer || a.dtype !== 'float32' || rows * inner * columns < WORTH_IT)
      return product({ inputs, backend: backend as never, ...(attrs ? { attrs } : {}) })
    const made = stacked(product, backend as WasmBackend, { a, b, transposeA, transposeB, rows, columns })
    return { ...made, shape: [...outer, rows, columns] }
  })

/** All outer axes as one. */
const stackOf = (tensor: TensorInfo): Stack => {
  const [rows, columns] = tensor.shape.slice(-2) as [number, number]
  return { ...tensor, shape: [sizeOf(tensor.shape.slice(0, -2)), rows, columns] }
}

/** The outer axes of a product; undefined where some are repeated and some are not. */
const outerShape = (a: TensorInfo, b: TensorInfo): readonly number[] | undefined => {
  const [left, right] = [a.shape.slice(0, -2), b.shape.slice(0, -2)]
  if (sizeOf(left) === 1) return right.length >= left.length ? right : left.map((_, i) => right[i - left.length + right.length] ?? 1)
  if (sizeOf(right) === 1) return left.length >= right.length ? left : right.map((_, i) => left[i - right.length + left.length] ?? 1)
  return left.length === right.length && left.every((extent, i) => extent === right[i]) ? left : undefined
}

interface Factors {
  readonly a: Stack
  readonly b: Stack
  readonly transposeA: boolean
  readonly transposeB: boolean
  readonly rows: number
  readonly columns: number
}

/** Each product of a stack by itself; a stack of one stands for as many as the other has. */
const stacked = (product: KernelFunc, backend: WasmBackend, { a, b, transposeA, transposeB, rows, columns }: Factors): TensorInfo => {
  const batches = Math.max(a.shape[0], b.shape[0])
  const result = backend.makeOutput([batches, rows, columns], 'float32')
  const whole = [a, b].map((stack, i) => ({ stack, turn: i === 0 ? transposeA : transposeB, once: stack.shape[0] === 1 }))
  const shared = whole.map(({ once, stack, turn }) => (once ? matrixOf(backend, stack, 0, turn) : undefined))
  for (let batch = 0; batch < batches; batch++) {
    const own = whole.map(({ stack, turn }, i) => shared[i] ?? matrixOf(backend, stack, batch, turn))
    const attrs = { transposeA: false, transposeB: false }
    const one = product({ inputs: { a: own[0], b: own[1] }, attrs, backend: backend as never }) as TensorInfo
    backend.typedArrayFromHeap(result).set(backend.typedArrayFromHeap(one), batch * rows * columns)
    for (const made of [one, ...own.filter((_, i) => !shared[i])]) backend.disposeData(made.dataId)
  }
  for (const made of shared) if (made) backend.disposeData(made.dataId)
  return result
}

/** One matrix of a stack, (1, rows, columns), turned where it must be; always a copy. */
const matrixOf = (backend: WasmBackend, stack: Stack, batch: number, turn: boolean): TensorInfo => {
  const [, rows, columns] = stack.shape
  const call = (name: string, x: TensorInfo, attrs: object): TensorInfo =>
    kernelOf(name)({ inputs: { x }, attrs: attrs as never, backend: backend as never }) as TensorInfo
  const cut = call('Slice', stack, { begin: [batch, 0, 0], size: [1, rows, columns] })
  if (!turn) return cut
  const turned = call('Transpose', cut, { perm: [0, 2, 1] })
  backend.disposeData(cut.dataId)
  return turned
}
