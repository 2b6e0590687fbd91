/** `npm run bench -- threads`: every kernel of the pool on one thread and on all, each number of threads in a process of its own. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { machineOf } from '../speed/machine.js'
import { median } from './process.js'

const ROWS = 4096
const COLUMNS = 4096
const TIMES = 5

/** Milliseconds of each kernel in this process. */
const measureHere = async (): Promise<Readonly<Record<string, number>>> => {
  const kernels = await import('@tersor/kernels')
  const weights = new Float32Array(kernels.roomForThreads(4 * ROWS * COLUMNS))
  for (let i = 0, state = 1; i < weights.length; i++) {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0
    weights[i] = (state / 2 ** 32 - 0.5) * 0.1
  }
  const bf16 = new Uint16Array(kernels.roomForThreads(2 * weights.length))
  const bits = new Uint32Array(weights.buffer)
  for (let i = 0; i < bf16.length; i++) bf16[i] = bits[i] >>> 16
  const [columns, run] = [COLUMNS, 128]
  const runs = weights.length / run
  const scales = new Float32Array(runs).fill(0.01)
  const zeros = new Float32Array(runs).fill(8)
  const codes = kernels.roomForCodes(weights.length).fill(5)
  const flags = await kernels.packCodes(codes, 1)
  const levels = Array.from({ length: 16 }, (_, i) => i)
  const jobs: Readonly<Record<string, () => Promise<unknown>>> = {
    widenFloats: () => kernels.widenFloats(bf16),
    largestMagnitude: () => kernels.largestMagnitude(weights),
    rangesOfRuns: () => kernels.rangesOfRuns(weights, { columns, run }),
    absmaxOfRuns: () => kernels.absmaxOfRuns(weights, { columns, run }),
    roundToLines: () => kernels.roundToLines(weights, { columns, run, scales, zeros, bits: 4 }),
    nearestLevels: () =>
      kernels.nearestLevels(weights, { names: levels, middles: levels.slice(1).map(level => (level - 8) / 160) }, { run, scales }),
    roundToE2m1: () => kernels.roundToE2m1(weights, { columns, run, scales: Float64Array.from(scales) }),
    roundToFloat8: () =>
      kernels.roundToFloat8(weights, { mantissa: 3, bias: 7, largest: 448 }, { columns, scales: scales.subarray(0, ROWS) }),
    'packCodes, 4 bits': () => kernels.packCodes(codes, 4),
    'packCodes, 3 bits': () => kernels.packCodes(codes, 3),
    gatherKept: () => kernels.gatherKept(new Uint8Array(bf16.buffer), 2, flags),
    keepLargestOfAll: () => kernels.keepLargestOfAll(weights, weights.length >> 1),
    keepLargestOfRows: () => kernels.runRows(kernels.keepLargestOfRows(weights, columns, columns >> 1).job),
    keepLargestOfRuns: () => kernels.runRows(kernels.keepLargestOfRuns(weights, columns, [2, 4]).job),
    ...Object.fromEntries(Object.keys(kernels.BLOCK_TYPES).map(type => [type, () => kernels.quantizeBlocks(type as 'q4_0', bf16)])),
  }
  const times: Record<string, number> = {}
  for (const [name, job] of Object.entries(jobs)) {
    const all: number[] = []
    for (let i = 0; i < TIMES; i++) {
      const start = performance.now()
      await job()
      all.push(performance.now() - start)
    }
    times[name] = median(all)
  }
  return times
}

const measureWith = (threads: number): Readonly<Record<string, number>> => {
  const { stdout, stderr } = spawnSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url)], {
    env: { ...process.env, TERSOR_THREADS: String(threads), TERSOR_MEASURE: '1' },
    encoding: 'utf8',
  })
  if (!stdout) throw new Error(stderr)
  return JSON.parse(stdout) as Readonly<Record<string, number>>
}

export const runThreads = (): void => {
  const threads = Number(process.env.TERSOR_THREADS ?? machineOf().cores)
  const [one, all] = [measureWith(1), measureWith(threads)]
  for (const [name, ms] of Object.entries(one))
    console.log(
      `${name.padEnd(20)} ${ms.toFixed(1).padStart(8)} ms, ${threads} threads ${all[name].toFixed(1).padStart(8)} ms: ${(ms / all[name]).toFixed(2)}`,
    )
}

if (process.env.TERSOR_MEASURE) process.stdout.write(JSON.stringify(await measureHere()), () => process.exit())
