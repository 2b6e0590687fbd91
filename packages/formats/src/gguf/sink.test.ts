import { factoredOf } from '@tersor/core'
import { fromFloat32 } from '@tersor/tensor'
import { failure } from '../files/failing-file-system.fixture.js'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import * as fileSystem from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ggufSink } from './sink.js'

const config = {
  model_type: 'llama',
  vocab_size: 4,
  max_position_embeddings: 8,
  hidden_size: 2,
  num_hidden_layers: 1,
  intermediate_size: 2,
  num_attention_heads: 1,
  rms_norm_eps: 1e-5,
}

// No backend is imported here.
it('says that decoding needs an engine', async () => {
  const sink = ggufSink('never-written.gguf', { config })
  const tree = factoredOf(fromFloat32([1, 2], 'f32', [2, 1]), fromFloat32([1, 2], 'f32', [1, 2]))
  expect(await failure(() => sink.write('model.layers.0.mlp.up_proj.weight', tree))).toBe(
    'NO_ENGINE: A tree that no block type holds must be decoded, but tfjs has no backend.\n' +
      'Call selectEngine() of @tersor/kernels first, or pass decode.',
  )
})

describe('names and shapes that are foreseen', () => {
  const tensors = [
    ['model.embed_tokens.weight', [4, 2]],
    ['model.norm.weight', [2]],
    ['model.layers.0.mlp.up_proj.weight', [2, 2]],
  ] as const

  /** The bytes of the file, and how often one was opened to be written. */
  const written = async (shapes?: readonly (readonly [string, readonly number[]])[]) => {
    const folder = await mkdtemp(join(tmpdir(), 'gguf-'))
    let opened = 0
    const counting = {
      ...fileSystem,
      open: (path: string, flags: 'r' | 'wx+') => ((opened += flags === 'r' ? 0 : 1), fileSystem.open(path, flags)),
    }
    try {
      const sink = ggufSink(join(folder, 'a.gguf'), { config, fileSystem: counting, ...(shapes ? { shapes } : {}) })
      for (const [name, shape] of tensors)
        await sink.write(name, fromFloat32(new Float32Array(shape.reduce((a: number, b) => a * b, 1)).fill(1.5), 'f16', shape))
      const store = await sink.finish()
      await (store as { close?: () => Promise<void> }).close?.()
      return { bytes: await readFile(join(folder, 'a.gguf')), opened }
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  it('write the data once, and the same bytes', async () => {
    const copied = await written()
    const inPlace = await written(tensors)
    expect(inPlace.bytes.equals(copied.bytes)).toBe(true)
    expect(inPlace.opened).toBe(copied.opened - 1)
  })

  it('may be wrong', async () => {
    const copied = await written()
    for (const shapes of [tensors.slice(1), [...tensors, ['model.layers.0.mlp.gate_proj.weight', [2, 2]] as const]])
      expect((await written(shapes)).bytes.equals(copied.bytes)).toBe(true)
  })
})
