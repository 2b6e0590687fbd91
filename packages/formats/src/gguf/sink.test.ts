import { factoredOf } from '@tersor/core'
import { fromFloat32 } from '@tersor/tensor'
import { failure } from '../files/failing-file-system.fixture.js'
import { ggufSink } from './sink.js'

// No backend is imported here.
it('says that decoding needs an engine', async () => {
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
  const sink = ggufSink('never-written.gguf', { config })
  const tree = factoredOf(fromFloat32([1, 2], 'f32', [2, 1]), fromFloat32([1, 2], 'f32', [1, 2]))
  expect(await failure(() => sink.write('model.layers.0.mlp.up_proj.weight', tree))).toBe(
    'NO_ENGINE: A tree that no block type holds must be decoded, but tfjs has no backend.\n' +
      'Call selectEngine() of @tersor/kernels first, or pass decode.',
  )
})
