import { wasmKernels, type QuantizeBlocks, type WasmKernels } from '../wasm.js'
import { BLOCK } from './block-format.js'

/** Blocks that go through the kernel at once: few enough that values and bytes stay in the nearest caches. */
const AT_ONCE = 1024
const FLOAT = 4
const ALIGNMENT = 16

type Name = { [K in keyof WasmKernels]: WasmKernels[K] extends QuantizeBlocks ? K : never }[keyof WasmKernels]

/** Quantizes blocks of 32 values by a kernel in WebAssembly; `blockBytes` says how long a block is. */
export const quantize = (name: Name, values: Float32Array, blockBytes: number): Uint8Array => {
  const blocks = values.length / BLOCK
  const bytes = new Uint8Array(blocks * blockBytes)
  const most = Math.min(blocks, AT_ONCE)
  const kernels = wasmKernels()
  const arena = kernels.arena(most * (BLOCK * FLOAT + blockBytes) + 2 * ALIGNMENT)
  const [from, to] = [arena.f32(most * BLOCK), arena.u8(most * blockBytes)]
  for (let block = 0; block < blocks; block += most) {
    const count = Math.min(most, blocks - block)
    from.set(values.subarray(block * BLOCK, (block + count) * BLOCK))
    kernels[name](from.byteOffset, count, to.byteOffset)
    bytes.set(to.subarray(0, count * blockBytes), block * blockBytes)
  }
  return bytes
}
