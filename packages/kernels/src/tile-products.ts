import * as tf from '@tensorflow/tfjs-core'
import { wasmKernels, type WasmKernels } from './wasm.js'

/** Matrices of packed codes with a scale and a minimum for each tile of lines and columns: value = scale · code + minimum. */
export interface TiledMatrices {
  readonly matrices: number
  readonly lines: number
  readonly columns: number
  /** 1-8. */
  readonly bits: number
  /** Lines and columns of a tile; those at the end of a matrix may be lower. */
  readonly height: number
  readonly width: number
  /** (matrices, lines, columns), one little-endian stream of bits. */
  readonly codes: Uint8Array
  /** Bytes of (matrices, tiles of lines, tiles of columns), float32 or halves. */
  readonly scales: Uint8Array
  /** Likewise; where absent, the middle code 2^(bits − 1) stands for zero. */
  readonly minimums?: Uint8Array
  readonly isHalf: boolean
}

const PACKED_BITS = [2, 4, 8]
/** Codes that a vector takes. */
const LANE = 16
/** Beyond so many queries the engine's product with the decoded matrix is quicker. */
const FEW = 32
/** Backends whose tensors lie in memory that JavaScript reads at once. */
const ON_HOST = ['cpu', 'wasm', 'ort']

/** Whether numbers of tensors that are computed cost nothing to read. */
export const isOnHost = (): boolean => ON_HOST.includes(tf.getBackend())

/** Whether codes are multiplied as they are, packed, on the engine that tfjs uses now. */
export const multipliesTiles = ({ columns, bits, width }: TiledMatrices, count: number): boolean =>
  isOnHost() && count <= FEW && PACKED_BITS.includes(bits) && columns % LANE === 0 && (width === 1 || width % LANE === 0)

/** Made at the first product; what is in its memory is left over. */
let instance: WasmKernels | undefined

/** Places for one matrix of some, and what fills them. */
const placesOf = (of: TiledMatrices, floats: number) => {
  const { matrices, lines, columns, bits, codes, scales, minimums } = of
  const sizes = [codes.length / matrices, scales.length / matrices]
  instance ??= wasmKernels()
  const arena = instance.arena(sizes[0] + 2 * sizes[1] + 4 * (floats + columns) + LANE * 8)
  const held = [arena.u8(sizes[0]), arena.u8(sizes[1]), arena.u8(sizes[1])]
  const fill = (matrix: number): void =>
    [codes, scales, minimums].forEach((bytes, i) => {
      const size = sizes[Math.min(i, 1)]
      if (bytes) held[i].set(bytes.subarray(matrix * size, (matrix + 1) * size))
    })
  const [code, scale, minimum] = held.map(({ byteOffset }) => byteOffset)
  const shape = [bits, lines, columns, Math.min(of.height, lines), Math.min(of.width, columns)] as const
  const tiles = [code, ...shape, scale, minimums ? minimum : 0, Number(of.isHalf)] as const
  return { kernels: instance, arena, fill, tiles }
}

/**
 * q · Wᵀ with W as it is packed, in float32 by WebAssembly SIMD; q: (matrices, count, columns), result (matrices, count, lines).
 * For codes of 2, 4 and 8 bits and few queries, see `multipliesTiles`. Cost: 1.5 instructions a code and query, on one thread, and a copy of
 * the codes of one matrix at a time.
 */
export const queriesTimesTiles = (q: Float32Array, count: number, of: TiledMatrices): Float32Array => {
  const { matrices, lines, columns } = of
  const scores = new Float32Array(matrices * count * lines)
  const { kernels, arena, fill, tiles } = placesOf(of, count * (columns + lines))
  const [query, room, result] = [arena.f32(count * columns), arena.f32(columns), arena.f32(count * lines)]
  for (let matrix = 0; matrix < matrices; matrix++) {
    fill(matrix)
    query.set(q.subarray(matrix * count * columns, (matrix + 1) * count * columns))
    kernels.queriesTimesTiles(query.byteOffset, count, ...tiles, room.byteOffset, result.byteOffset)
    scores.set(result, matrix * count * lines)
  }
  return scores
}

/** p · W likewise; p: (matrices, count, lines), result (matrices, count, columns). */
export const sharesTimesTiles = (p: Float32Array, count: number, of: TiledMatrices): Float32Array => {
  const { matrices, lines, columns } = of
  const mixed = new Float32Array(matrices * count * columns)
  const { kernels, arena, fill, tiles } = placesOf(of, count * (columns + lines))
  const [share, result] = [arena.f32(count * lines), arena.f32(count * columns)]
  for (let matrix = 0; matrix < matrices; matrix++) {
    fill(matrix)
    share.set(p.subarray(matrix * count * lines, (matrix + 1) * count * lines))
    kernels.sharesTimesTiles(share.byteOffset, count, ...tiles, result.byteOffset)
    mixed.set(result, matrix * count * columns)
  }
  return mixed
}

/** `queriesTimesTiles` of a tensor, (matrices, count, columns). */
export const queriesTimesCodes = (q: tf.Tensor3D, of: TiledMatrices): tf.Tensor3D =>
  tf.tensor3d(queriesTimesTiles(q.dataSync<'float32'>(), q.shape[1], of), [of.matrices, q.shape[1], of.lines])

/** `sharesTimesTiles` of a tensor, (matrices, count, lines). */
export const sharesTimesCodes = (p: tf.Tensor3D, of: TiledMatrices): tf.Tensor3D =>
  tf.tensor3d(sharesTimesTiles(p.dataSync<'float32'>(), p.shape[1], of), [of.matrices, p.shape[1], of.columns])
