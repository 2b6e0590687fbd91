import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(import.meta.url)

/** Where the native libraries of llama.cpp lie. */
export const LIBRARIES = join(import.meta.dirname, 'node_modules/@node-llama-cpp/linux-x64/bins/linux-x64')

/** ggml's own quantizers, called as C functions. */
export interface Ggml {
  rowBytes(type: number, length: number): number
  quantize(type: number, values: Float32Array, perRow: number, importance?: Float32Array): Uint8Array
  /** The function that ggml calls the reference of a type, without importance. */
  reference(name: string, type: number, values: Float32Array): Uint8Array
  dequantize(name: string, blocks: Uint8Array, length: number): Float32Array
}

export const loadGgml = (): Ggml => {
  const koffi = require('koffi')
  const library = koffi.load(join(LIBRARIES, 'libggml-base.so'))
  const rowSize = library.func('size_t ggml_row_size(int type, int64_t n)')
  const chunk = library.func(
    'size_t ggml_quantize_chunk(int type, const float* src, void* dst, int64_t start, int64_t nrows, int64_t n_per_row, const float* imatrix)',
  )
  const rowBytes = (type: number, length: number): number => Number(rowSize(type, length))
  return {
    rowBytes,
    quantize: (type, values, perRow, importance) => {
      const bytes = Buffer.alloc(rowBytes(type, values.length))
      const written = Number(chunk(type, values, bytes, 0, values.length / perRow, perRow, importance ?? null))
      if (written !== bytes.length) throw new Error(`ggml wrote ${written} of ${bytes.length} bytes`)
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    },
    reference: (name, type, values) => {
      const bytes = Buffer.alloc(rowBytes(type, values.length))
      library.func(`void quantize_row_${name}_ref(const float* x, void* y, int64_t k)`)(values, bytes, values.length)
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    },
    dequantize: (name, blocks, length) => {
      const values = new Float32Array(length)
      library.func(`void dequantize_row_${name}(const void* x, float* y, int64_t k)`)(Buffer.from(blocks), values, length)
      return values
    },
  }
}
