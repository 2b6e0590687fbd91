import '@tensorflow/tfjs-backend-cpu'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { affine, affineOf, createRng, masked, maskedOf, type Rng } from '@tersor/core'
import { fromFloat32, type ParameterStore } from '@tersor/tensor'
import { temporaryFolder } from './failing-file-system.fixture.js'
import { ggufSink, openGguf, parseGgufHeader } from '../gguf.js'
import { BINARY, concatenate, mutate, TEXT, tries } from './mutations.fixture.js'
import { openSafetensors, safetensorsHeaderBytes, safetensorsSink } from '../safetensors.js'

const HEADERS = tries(2500)
/** What a file of some kilobytes may cost at most: far below what its header can claim. */
const LARGEST_ALLOCATION = 64 << 20
const LONGEST_MS = 2000

const tree = maskedOf(
  Array.from({ length: 64 }, (_, i) => i % 2),
  affineOf({ shape: [2, 32], bits: 4, group: 32, codes: new Uint8Array(64).fill(5), scales: [0.5, 0.25] }),
)
const config = {
  model_type: 'llama',
  vocab_size: 4,
  max_position_embeddings: 8,
  hidden_size: 32,
  num_hidden_layers: 1,
  intermediate_size: 32,
  num_attention_heads: 1,
  rms_norm_eps: 1e-5,
  rope_scaling: { rope_type: 'llama3', factor: 2 },
}
const tokenizer = { added_tokens: [{ id: 2, content: '<s>', special: true }], model: { type: 'BPE', vocab: { a: 0, b: 1 }, merges: [] } }

const makeFiles = async (): Promise<{ readonly safetensors: Uint8Array; readonly gguf: Uint8Array }> => {
  const dir = await temporaryFolder()
  const provenance = [{ method: 'rtn', options: { bits: 4 }, seed: 1, version: '0.1.0' }]
  const files = { 'tokenizer.json': new TextEncoder().encode(JSON.stringify(tokenizer)) }
  const sinks = {
    safetensors: safetensorsSink(`${dir}/safetensors`, { provenance, metadata: { format: 'pt' } }),
    gguf: ggufSink(`${dir}/gguf`, { config, files, provenance }),
  }
  for (const sink of Object.values(sinks)) {
    await sink.write('model.layers.0.self_attn.q_proj.weight', tree)
    await sink.write('model.layers.0.mlp.up_proj.weight', fromFloat32([1, 2], 'bf16', [1, 2]))
    await sink.write('model.norm.weight', fromFloat32([1, 2, 3], 'f32', [3]))
    await (await sink.finish()).close?.()
  }
  const read = (name: string): Uint8Array => new Uint8Array(readFileSync(`${dir}/${name}`))
  const made = { safetensors: read('safetensors'), gguf: read('gguf') }
  await rm(dir, { recursive: true, force: true })
  return made
}

const readAll = async ({ params, close }: { readonly params: ParameterStore; close(): Promise<void> }): Promise<void> => {
  for (const name of params.names()) {
    params.info(name)
    await params.read(name)
  }
  await close()
}

const OPEN: Readonly<Record<string, (blob: Blob) => Promise<void>>> = {
  safetensors: async blob => {
    const store = await openSafetensors(blob, { codecs: [affine, masked] })
    await readAll({ params: store, close: store.close })
  },
  gguf: async blob => readAll(await openGguf(blob)),
}
/** A file with a damaged header: anything at all, or nearly right. */
const DAMAGE: Readonly<Record<string, (file: Uint8Array, rng: Rng) => Uint8Array<ArrayBuffer>>> = {
  safetensors: (file, rng) => {
    const end = safetensorsHeaderBytes(file, file.length)
    if (rng.uniform() < 0.3) return concatenate(mutate(file.subarray(0, end), BINARY, rng), file.subarray(end))
    const text = mutate(file.subarray(8, end), TEXT, rng)
    return concatenate(new Uint8Array(BigUint64Array.of(BigInt(text.length)).buffer), text, file.subarray(end))
  },
  gguf: (file, rng) => {
    const end = Math.min(...[...parseGgufHeader(file, file.length)!.tensors.values()].map(({ offset }) => offset))
    return concatenate(mutate(file.subarray(0, end), BINARY, rng), rng.uniform() < 0.1 ? new Uint8Array(0) : file.subarray(end))
  },
}

/** Every typed array of a call, by size. */
const largestAllocation = async (call: () => Promise<void>): Promise<number> => {
  const before = process.memoryUsage()
  await call()
  const after = process.memoryUsage()
  return after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed
}

describe.each(['safetensors', 'gguf'] as const)('mutated headers of %s', format => {
  it(`gives ${HEADERS} coded errors or models, in bounded time and memory`, async () => {
    const file = (await makeFiles())[format]
    await OPEN[format](new Blob([file as BlobPart]))
    const rng = createRng(format === 'gguf' ? 11 : 12)
    let [refused, longest, largest] = [0, 0, 0]
    for (let i = 0; i < HEADERS; i++) {
      const mutated = DAMAGE[format](file, rng)
      const started = performance.now()
      const allocated = await largestAllocation(async () => {
        await OPEN[format](new Blob([mutated as BlobPart])).catch((error: Error & { code?: string }) => {
          refused++
          if (error.name !== 'CompressionError' || error.message.split('\n').length !== 2)
            throw new Error(`header ${i} (${Buffer.from(mutated).toString('base64')})`, { cause: error })
        })
      })
      longest = Math.max(longest, performance.now() - started)
      largest = Math.max(largest, allocated)
    }
    expect(longest).toBeLessThan(LONGEST_MS)
    expect(largest).toBeLessThan(LARGEST_ALLOCATION)
    expect(refused).toBeGreaterThan(HEADERS / 2)
  })
})
