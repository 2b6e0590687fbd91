/** One of two tabs: trains a small Llama on batches of its own, and tells what it ended with as `window.trained`. The rank stands in the address. */
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-webgpu'
import { adam, createRng, crossEntropy, train, windowBatches } from '@tersor/core'
import { errorFeedback, topK } from '@tersor/gradients'
import { tabs } from '@tersor/gradients/tabs'
import { freshModel } from '@tersor/models'

const [STEPS, ROWS, LENGTH, WORDS] = [6, 2, 16, 64]
const CONFIG = {
  ...{
    model_type: 'llama',
    vocab_size: WORDS,
    hidden_size: 32,
    intermediate_size: 64,
    num_hidden_layers: 2,
    max_position_embeddings: LENGTH,
  },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, rms_norm_eps: 1e-5, rope_theta: 10_000 },
}

/** A text that can be learned: words that follow one another at two paces. */
const IDS = Int32Array.from({ length: 4096 }, (_, i) => (i * 7 + (i >> 4)) % WORDS)

const digestOf = async (bytes: Uint8Array): Promise<string> =>
  [...new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes)))].map(byte => byte.toString(16).padStart(2, '0')).join('')

const trained = async () => {
  await tf.setBackend('webgpu')
  const rank = Number(new URLSearchParams(location.search).get('rank'))
  const peers = await tabs({ name: 'two tabs', rank, size: 2 })
  const batches = windowBatches({ ids: IDS, batch: ROWS, length: LENGTH })
  const losses: number[] = []
  const model = await train(freshModel(CONFIG, { seed: 1 }), {
    ...{ objective: crossEntropy, transform: adam({ learningRate: 3e-3 }), steps: STEPS, rng: createRng(1) },
    exchange: errorFeedback(peers, { codec: topK({ density: 0.05 }) }),
    data: (step, rng) => batches(step, rng.fork(`tab ${rank}`)),
    onProgress: event => event.type === 'trained' && losses.push(event.loss),
  })
  const weights: Record<string, string> = {}
  for (const name of model.params.names()) {
    const parameter = await model.params.read(name)
    if (parameter.kind === 'dense') weights[name] = await digestOf(parameter.bytes)
  }
  const told = { engine: tf.getBackend(), weights, losses, ...peers.traffic }
  await peers.close()
  return told
}

Object.assign(window, { trained: trained() })
