/** A process of its own, whose memory is measured: `command ARGV…` runs the command line, `parts MODEL TEXT|- STEP OUT` its parts. */
import { readFileSync, writeSync } from 'node:fs'
import { main } from '../../packages/tersor/src/index.js'
import { measureParts } from './parts.js'

/** The largest resident set so far, in bytes, as Linux counts it. */
const peakMemory = (): number => {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return Number(line![1]) * 1024
}

const [what, ...rest] = process.argv.slice(2)
const started = performance.now()
if (what === 'parts') writeSync(1, `${JSON.stringify(await measureParts(rest[0], rest[1], rest[2], rest[3]))}\n`)
else {
  process.exitCode = await main(rest)
  writeSync(3, JSON.stringify({ seconds: (performance.now() - started) / 1000, peakBytes: peakMemory() }))
}
