import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Settings } from './serve.js'

export type PeerName = 'pytorch' | 'tfjs-wasm' | 'tfjs-cpu' | 'ggml' | 'llama.cpp' | 'float32'

export interface Benchmark {
  readonly name: string
  readonly title: string
  /** The file of jobs/, and with underscores of peers/. */
  readonly job: string
  readonly settings: Settings
  /** What our side runs on; @tersor/backend-ort where absent. */
  readonly engine?: 'cpu'
  /** The first is the one that the ratio is against. */
  readonly peers: readonly PeerName[]
  /** The least ratio of speeds, peer's time to ours, that issues 3 and 11 ask for. */
  readonly target?: number
  /** Times each side runs. */
  readonly rounds: number
  /** What one run gets done, so that a rate can be told. */
  readonly amount: number
  readonly unit: string
  /** What the reader must know. */
  readonly note?: string
}

const matmul = (n: number, target: number | undefined, repeat: number, peers: readonly PeerName[]): Benchmark => ({
  name: `matmul-${n}`,
  title: `matmul ${n}`,
  job: 'matmul',
  settings: { n, repeat },
  peers,
  ...(target === undefined ? {} : { target }),
  rounds: 9,
  amount: (2 * n ** 3 * repeat) / 1e9,
  unit: 'GFLOP/s',
})

const language = (what: string, batch: number, target: number, peers: readonly PeerName[], rounds: number): Benchmark => ({
  name: `lm-${what}-${batch}`,
  title: what === 'train' ? `LM training step, batch ${batch}` : `LM forward, batch ${batch}`,
  job: 'language-model',
  settings: { what, batch },
  peers,
  target,
  rounds,
  amount: batch * 256,
  unit: 'tokens/s',
  note: what === 'train' ? '`train` of a network in plain operations' : '`capture` of plain operations over constant weights (`embeds`)',
})

const algebra = (what: string, n: number, title: string, rounds: number, rest: Partial<Benchmark>): Benchmark => ({
  name: `${what}-${n}`,
  title,
  job: 'linear-algebra',
  settings: { what, n, warm: 1 },
  peers: ['pytorch'],
  rounds,
  amount: 1,
  unit: 'per s',
  ...rest,
})

const sweep = (what: string, title: string): Benchmark => ({
  name: `${what}-4096`,
  title: `${title} of a 4096 × 4096 layer`,
  job: 'sweep',
  settings: { what, n: 4096, warm: 0 },
  peers: ['pytorch'],
  target: 1,
  rounds: 2,
  amount: 1,
  unit: 'per s',
  note: 'ours is the whole method with its encoding, the Hessian given; PyTorch stops at the values',
})

const encoding = (type: string): Benchmark => ({
  name: `encode-${type}`,
  title: `GGUF ${type.toUpperCase()} encoding`,
  job: 'encoding',
  settings: { type, values: 2 ** 22 },
  peers: ['ggml'],
  target: 0.5,
  rounds: 9,
  amount: 2 ** 22 / 1e6,
  unit: 'million weights/s',
  note: 'one thread each',
})

const plainKernel = (kernel: string, title: string, repeat: number): Benchmark => ({
  name: `plain-${kernel}`,
  title: `plain engine: ${title}`,
  job: 'plain-kernel',
  engine: 'cpu',
  settings: { kernel, repeat, warm: 1 },
  peers: ['tfjs-cpu'],
  rounds: 5,
  amount: repeat,
  unit: 'per s',
})

const SIZE = { hidden: 512, feedForward: 1408, layers: 8, heads: 8, vocabulary: 8192 }

const SMALL = { hidden: 96, feedForward: 256, layers: 6, heads: 4, vocabulary: 2048 }

/** 134 million parameters. */
const LARGE = { hidden: 768, feedForward: 2048, layers: 12, heads: 12, vocabulary: 32000 }

/** The most telling first; the last take long. */
export const BENCHMARKS: readonly Benchmark[] = [
  matmul(256, undefined, 4, ['tfjs-wasm', 'tfjs-cpu']),
  matmul(512, 0.85, 20, ['pytorch', 'tfjs-wasm']),
  matmul(1024, 0.9, 5, ['pytorch', 'tfjs-wasm']),
  matmul(2048, 0.9, 1, ['pytorch']),
  matmul(4096, 0.9, 1, ['pytorch']),
  language('train', 8, 0.9, ['pytorch'], 11),
  language('train', 1, 0.9, ['pytorch'], 21),
  language('forward', 8, 1.05, ['pytorch', 'tfjs-wasm'], 11),
  {
    ...{ name: 'resnet-8', title: 'ResNet-8 training step, batch 64', job: 'resnet', settings: { batch: 64 }, peers: ['pytorch'] },
    ...{ target: 1, rounds: 15, amount: 64, unit: 'images/s', note: '`capture`; biases in place of norms, plain gradient descent' },
  },
  algebra('cholesky', 4096, 'Cholesky 4096', 3, { target: 0.9 }),
  algebra('eigen', 1024, 'symmetric eigendecomposition 1024', 3, { target: 0.6 }),
  algebra('svd', 512, 'exact SVD 512', 3, { note: 'no target' }),
  algebra('randomized-svd', 2048, 'randomized SVD 2048, rank 128', 5, {
    settings: { what: 'randomized-svd', n: 2048, warm: 1, rank: 128, oversampling: 8, iterations: 2 },
    target: 0.8,
    note: 'both with 8 more columns and 2 power iterations',
  }),
  encoding('q4_0'),
  encoding('q8_0'),
  {
    ...{ name: 'decode-q4_0', title: 'decoding with 4-bit weights, batch 1', job: 'low-bit', peers: ['llama.cpp', 'float32'], target: 0.5 },
    ...{ settings: { form: 'packed', tokens: 128, ...LARGE, warm: 1 }, rounds: 5, amount: 128, unit: 'tokens/s' },
    note: 'Q4_0 in a GGUF file of 134 million parameters; activations in 8 bits on both sides (`int8`); prompt of 16 tokens included',
  },
  {
    ...{ name: 'decode', title: 'decoding in float32, batch 1', job: 'language-use', settings: { what: 'decode', tokens: 64, ...SIZE } },
    ...{ peers: ['pytorch'], rounds: 5, amount: 64, unit: 'tokens/s', note: 'no target: see 4-bit decoding' },
  },
  {
    ...{ name: 'decode-plain', title: 'decoding on the plain engine', job: 'language-use', engine: 'cpu', peers: ['tfjs-cpu'] },
    ...{ settings: { what: 'decode', tokens: 48, ...SMALL, warm: 1 }, rounds: 5, amount: 48, unit: 'tokens/s' },
    note: 'plain JavaScript on both sides, a network of a million parameters: what `selectEngine` replaces of tfjs, against tfjs as it comes',
  },
  plainKernel('cut', 'a cut of the last axis', 100),
  plainKernel('repeated', 'a sum with a column that is repeated', 20),
  plainKernel('softmax', 'softmax', 20),
  plainKernel('sum', 'sums over the first axis', 20),
  plainKernel('product', 'a product', 5),
  plainKernel('filter', "the gradient of a convolution's filter", 1),
  {
    ...{ name: 'perplexity', title: 'perplexity', job: 'language-use', settings: { what: 'perplexity', windows: 14, ...SIZE } },
    ...{ peers: ['pytorch'], rounds: 5, amount: 14 * 256, unit: 'tokens/s', note: 'the function, without starting a command: no target' },
  },
  {
    ...{
      name: 'evaluate',
      title: '`tersor evaluate` (perplexity), whole command',
      job: 'evaluate-command',
      peers: ['pytorch'],
      target: 1.2,
    },
    ...{
      settings: { windows: join(tmpdir(), `tersor-windows-${process.pid}.json`), warm: 1 },
      rounds: 5,
      amount: 83_674,
      unit: 'tokens/s',
    },
    note: 'the bundled model on its validation text; both from the start of the process, ours with reading and tokenizing the text, PyTorch with fused attention',
  },
  sweep('gptq', 'GPTQ'),
  sweep('sparse-gpt', 'SparseGPT'),
]
