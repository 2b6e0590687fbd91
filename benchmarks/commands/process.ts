import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** How often a process is asked for its largest memory, in ms. */
const ASK = 20

export interface Run {
  readonly seconds: number
  readonly peakBytes: number
}

const peakOf = (pid: number): number => {
  const path = `/proc/${pid}/status`
  const found = existsSync(path) && /VmHWM:\s+(\d+) kB/.exec(readFileSync(path, 'utf8'))
  return found ? Number(found[1]) * 1024 : 0
}

/** Runs a command to its end. */
export const run = (command: string, args: readonly string[], threads: number): Promise<Run> =>
  new Promise((resolve, reject) => {
    const start = performance.now()
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, TERSOR_THREADS: String(threads) } })
    let [peakBytes, words] = [0, '']
    const asking = setInterval(() => (peakBytes = Math.max(peakBytes, peakOf(child.pid ?? 0))), ASK)
    child.stderr.on('data', (chunk: Buffer) => (words += chunk.toString()))
    child.on('error', reject)
    child.on('close', code => {
      clearInterval(asking)
      if (code === 0) resolve({ seconds: (performance.now() - start) / 1000, peakBytes })
      else reject(new Error(`${command} ${args[0]} ended with ${code}: ${words.trim().split('\n').slice(-3).join(' ')}`))
    })
  })

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]

/** The median time and the largest memory. */
export const measured = (runs: readonly Run[]): Run => ({
  seconds: median(runs.map(({ seconds }) => seconds)),
  peakBytes: Math.max(...runs.map(({ peakBytes }) => peakBytes)),
})
