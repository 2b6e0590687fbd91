import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { createRng } from '@tersor/core'
import { picoLlama, type PicoLlamaOptions } from '@tersor/models/pico-llama'
import type { LanguageModel } from '@tersor/models/language-model'
import { describeCouplings } from '@tersor/testing'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '../../../formats/src/files/failing-file-system.fixture.js'
import { someIds, withValues } from '../../../models/src/networks/outputs.fixture.js'
import { decoderGraphOf } from '../cache/decoder-graph.fixture.js'
import type { OnnxDecoderOptions } from '../decoder.js'
import type { OnnxModel } from '../model.js'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await temporaryFolder()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** A decoder whose norms and biases are no ones and zeros, and whose ε counts. */
const decoder = async (options: PicoLlamaOptions): Promise<LanguageModel> => {
  const rng = createRng(7)
  const pico = picoLlama({ vocabulary: 30, ...options, seed: 3, config: { rms_norm_eps: 0.1, ...options.config } })
  return withValues(pico, (name, values) =>
    values.map(value => value + (/norm|bias/.test(name) ? 0.3 * rng.fork(name).normal() : 0)),
  ) as Promise<LanguageModel>
}

const DECODERS: Readonly<Record<string, readonly [PicoLlamaOptions, OnnxDecoderOptions?]>> = {
  'a decoder of plain operators': [{ layers: 2 }],
  'a decoder with a key head for each query head, biases, and its embedding as its head': [
    { layers: 1, keyValueHeads: 4, config: { attention_bias: true, tie_word_embeddings: true } },
  ],
  'a decoder with fused attention': [{ layers: 1, hidden: 64 }, { attention: 'fused' }],
  'a decoder that normalises queries and keys': [{ layers: 1, config: { model_type: 'qwen3', head_dim: 8 } }],
}

for (const [name, [options, how]] of Object.entries(DECODERS)) {
  let model: OnnxModel
  beforeAll(async () => {
    model = await decoderGraphOf(join(folder, name.replace(/\W/g, '-')), await decoder(options), how)
  })
  afterAll(() => model.close!())
  describeCouplings(name, { make: () => model, input: someIds })
}
