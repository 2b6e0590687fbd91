/** One whole command, and the process that does the same. Paths are put in for MODEL, GGUF, TEXT, BUNDLED and OUT. */
export interface Row {
  readonly name: string
  readonly ours: readonly string[]
  /** What runs in turn with it; nothing where the time itself is bounded. */
  readonly peer?: 'pytorch' | 'pytorch, calibrated' | 'llama.cpp'
  readonly theirs?: readonly string[]
  /** At least so many times as fast as the peer. */
  readonly target?: number
  /** At most so many seconds. */
  readonly limit?: number
}

const step = (method: string, options: string, target: number): Row => ({
  name: `compress --step '${method}(${options})'`,
  ours: ['compress', 'MODEL', '--step', `${method}(${options})`, '--out', 'OUT'],
  peer: 'pytorch',
  theirs: [method, 'MODEL', 'OUT'],
  target,
})

const calibrated = (method: string, steps: readonly string[], target: number): Row => ({
  name: `compress --calibrate TEXT ${steps.map(each => `--step '${each}'`).join(' ')}`,
  ours: ['compress', 'MODEL', ...steps.flatMap(each => ['--step', each]), '--calibrate', 'TEXT', '--out', 'OUT'],
  peer: 'pytorch, calibrated',
  theirs: [method, 'MODEL', 'OUT', 'TEXT'],
  target,
})

/** fileType: llama.cpp's number for it. */
const conversion = (type: string, fileType: number, target: number): Row => ({
  name: `convert --format gguf --type ${type}`,
  ours: ['convert', 'MODEL', '--format', 'gguf', '--type', type, '--out', 'OUT.gguf'],
  peer: 'llama.cpp',
  theirs: ['GGUF', 'OUT.gguf', String(fileType)],
  target,
})

/** Targets are those of issue 11. */
export const ROWS: readonly Row[] = [
  { name: '--help', ours: ['--help'], limit: 0.25 },
  { name: 'inspect examples/bundled-model/model', ours: ['inspect', 'BUNDLED'], limit: 0.5 },
  step('rtn', 'bits=4', 0.6),
  step('nf4', '', 0.6),
  step('fp8', '', 0.6),
  step('mxfp4', '', 0.6),
  step('magnitude', 'sparsity=0.5', 0.6),
  step('hqq', 'bits=4', 1),
  calibrated('wanda', ['wanda(sparsity=0.5)'], 0.6),
  calibrated('gptq', ['gptq(bits=4)'], 1),
  calibrated('sparsegpt', ['sparse-gpt(sparsity=0.5)'], 1),
  calibrated('awq', ['awq(bits=4)', 'rtn(bits=4)'], 1),
  conversion('q4_0', 2, 0.9),
  conversion('q8_0', 7, 0.9),
  conversion('Q4_K_M', 15, 0.7),
  conversion('Q5_K_M', 17, 0.7),
  conversion('q6_k', 18, 0.7),
  conversion('iq4_xs', 30, 0.7),
]
