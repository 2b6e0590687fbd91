/**
 * Trains the bundled model: `npm run train -w @tersor/bundled-model -- --steps 3000`; with `--shape deep --steps 1200` the one of 12 blocks.
 * Everything follows from the corpus, the constants below and the seed.
 */
import * as tf from '@tensorflow/tfjs-core'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import {
  adam,
  chain,
  clip,
  createRng,
  crossEntropy,
  forward,
  train,
  warmupCosine,
  type LabelledBatch,
  type Model,
  type Rng,
  type Weights,
} from '@tersor/core'
import { sizeOfModel } from '@tersor/evaluation'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { selectEngine } from '@tersor/kernels'
import { initLlama, llamaModel, openTokenizer, parseLlamaConfig } from '@tersor/models'
import { fromFloat32 } from '@tersor/tensor'
import { readCorpus } from './corpus.js'
import { tokenizerJson, trainMerges } from './byte-pair.js'
import { modelCard, type CurvePoint } from './model-card.js'

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), '..')
const SPECIAL = '<|endoftext|>'
const VOCABULARY = 4096
const CONTEXT = 256
const BATCH = 8
const SEED = 7
const VALIDATION_WINDOWS = 32

const { values: flags } = parseArgs({
  options: {
    steps: { type: 'string', default: '3000' },
    peak: { type: 'string', default: '0.0015' },
    shape: { type: 'string', default: 'model' },
    out: { type: 'string' },
  },
})
const steps = Number(flags.steps)

/** The bundled model, and one of as many parameters whose depth can be measured. */
const SHAPES = {
  model: { hidden_size: 256, intermediate_size: 512, num_hidden_layers: 4, head_dim: 64 },
  deep: { hidden_size: 128, intermediate_size: 384, num_hidden_layers: 12, head_dim: 32 },
}
const NAMES = { model: 'tersor-brown', deep: 'tersor-brown-deep' }
const shape = flags.shape === 'deep' ? 'deep' : 'model'
const out = flags.out ?? join(FOLDER, shape)

const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  ...SHAPES[shape],
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: VOCABULARY,
  max_position_embeddings: CONTEXT,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: true,
  bos_token_id: 0,
  eos_token_id: 0,
  torch_dtype: 'bfloat16',
}

const engine = await selectEngine()
console.log(`engine: ${engine.engine} (${engine.reason})`)

const corpus = await readCorpus()
const started = Date.now()
/** Texts that examples and benchmarks calibrate and measure on, one document between two separators. */
const writeText = (name: string, documents: readonly string[]): Promise<void> =>
  writeFile(join(FOLDER, 'text', name), documents.join(`\n${SPECIAL}\n`))
await mkdir(join(FOLDER, 'text'), { recursive: true })
await writeText(
  'validation.txt',
  corpus.validation.filter((_, i) => i % 2 === 0),
)
await writeText(
  'calibration.txt',
  corpus.train.filter((_, i) => i % 15 === 0),
)
const tokenizer = tokenizerJson(trainMerges(corpus.train, VOCABULARY - 257), SPECIAL)
const tokenizerConfig = {
  tokenizer_class: 'PreTrainedTokenizerFast',
  bos_token: SPECIAL,
  eos_token: SPECIAL,
  clean_up_tokenization_spaces: false,
  model_max_length: CONTEXT,
}
const { encode } = openTokenizer({ 'tokenizer.json': tokenizer, 'tokenizer_config.json': tokenizerConfig })

/** All documents in one stream; each begins with the special token. */
const streamOf = (documents: readonly string[]): Int32Array => Int32Array.from(documents.flatMap(document => [...encode(document)]))
const trainIds = streamOf(corpus.train)
const validationIds = streamOf(corpus.validation)
console.log(
  `${trainIds.length} tokens to train on, ${validationIds.length} held out; tokenizer took ${Math.round((Date.now() - started) / 1000)} s`,
)

const windowsAt = (ids: Int32Array, starts: readonly number[]): LabelledBatch => ({
  input: tf.tensor2d(
    Int32Array.from(starts.flatMap(start => [...ids.subarray(start, start + CONTEXT)])),
    [starts.length, CONTEXT],
    'int32',
  ),
  target: tf.tensor2d(
    Int32Array.from(starts.flatMap(start => [...ids.subarray(start + 1, start + CONTEXT + 1)])),
    [starts.length, CONTEXT],
    'int32',
  ),
})

const data = (_step: number, rng: Rng): LabelledBatch =>
  windowsAt(
    trainIds,
    Array.from({ length: BATCH }, () => rng.integer(trainIds.length - CONTEXT - 1)),
  )

const fresh: Model = llamaModel(config, initLlama(parseLlamaConfig(config), createRng(SEED)))

/** Mean loss over windows spread evenly over the held-out text. */
const validationLoss = async (weights: Weights): Promise<number> => {
  const stride = Math.floor((validationIds.length - CONTEXT - 1) / VALIDATION_WINDOWS)
  let sum = 0
  for (let first = 0; first < VALIDATION_WINDOWS; first += BATCH) {
    const batch = windowsAt(
      validationIds,
      Array.from({ length: BATCH }, (_, i) => (first + i) * stride),
    )
    const loss = tf.tidy(() => crossEntropy(forward(fresh, batch.input, { weights }), batch))
    sum += (await loss.data())[0] * BATCH
    tf.dispose([loss, batch.input, batch.target])
  }
  return sum / VALIDATION_WINDOWS
}

const curve: CurvePoint[] = []
let recent = 0
let since = Date.now()

const save = async (weights: Weights): Promise<void> => {
  const bytes = (json: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(json, null, 1)}\n`)
  const card = modelCard({
    name: NAMES[shape],
    command: [...(shape === 'deep' ? ['--shape deep'] : []), `--steps ${steps} --peak ${flags.peak}`].join(' '),
    shape: SHAPES[shape],
    parameters: sizeOfModel(fresh).parameters,
    batch: BATCH,
    context: CONTEXT,
    tokens: trainIds.length,
    seed: SEED,
    curve,
    engine: engine.engine,
  })
  const files = {
    'tokenizer.json': bytes(tokenizer),
    'tokenizer_config.json': bytes(tokenizerConfig),
    'generation_config.json': bytes({ bos_token_id: 0, eos_token_id: 0 }),
    'README.md': new TextEncoder().encode(card),
    'LICENSE-DATA': await readFile(join(FOLDER, 'LICENSE-DATA')),
  }
  const sink = huggingFaceSink(out, { config, files, overwrite: true })
  for (const name of fresh.params.names()) {
    const tensor = weights(name)
    await sink.write(name, fromFloat32(await tensor.data<'float32'>(), 'bf16', tensor.shape))
  }
  await (await sink.finish()).close?.()
}

await train(fresh, {
  objective: crossEntropy,
  transform: chain(
    clip({ norm: 1 }),
    adam({
      learningRate: warmupCosine({ peak: Number(flags.peak), warmup: 100, steps, floor: 0.05 }),
      beta2: 0.98,
      weightDecay: 0.1,
    }),
  ),
  data,
  steps,
  seed: SEED,
  onProgress: event => {
    if (event.type !== 'trained') return
    recent = recent === 0 ? event.loss : 0.98 * recent + 0.02 * event.loss
    if (event.step % 20 === 0) {
      const seconds = (Date.now() - since) / 20_000
      since = Date.now()
      console.log(`step ${event.step}/${event.of} loss ${event.loss.toFixed(4)} (${seconds.toFixed(2)} s a step)`)
    }
  },
  watch: {
    every: 250,
    measure: async (weights, step) => {
      const validation = await validationLoss(weights)
      curve.push({ step, train: recent, validation })
      console.log(`step ${step}: validation loss ${validation.toFixed(4)}, perplexity ${Math.exp(validation).toFixed(2)}`)
      await save(weights)
      since = Date.now()
      return validation
    },
  },
})
