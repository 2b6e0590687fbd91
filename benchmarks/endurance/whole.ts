import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeCheckpoint, writeText } from './checkpoint.js'
import type { Parts } from './parts.js'
import { finish } from './process.js'

/** One method on the large checkpoint. */
export interface WholeRun extends Parts {
  readonly step: string
  readonly seconds: number
  readonly peakBytes: number
  readonly modelBytes: number
}

const STEPS: readonly (readonly [step: string, calibrated: boolean])[] = [
  ['rtn(bits=4)', false],
  ['gptq(bits=4)', true],
]

/** About 2,000 tokens. */
const CHARACTERS = 8000

/** Compresses a checkpoint of 2.2 GB with each method: the command line in one process, its parts in another, in turn. */
export const wholeRuns = async (folder: string, bundled: string, onResult: (run: WholeRun) => void): Promise<readonly WholeRun[]> => {
  const [model, text, out] = [join(folder, 'large'), join(folder, 'text.txt'), join(folder, 'out')]
  const modelBytes = await writeCheckpoint(model, join(bundled, 'model'))
  await writeText(join(bundled, 'text/calibration.txt'), text, CHARACTERS)
  const runs: WholeRun[] = []
  for (const [step, calibrated] of STEPS) {
    const parts = JSON.parse((await finish('parts', model, calibrated ? text : '-', step, out)).out) as Parts
    await rm(out, { recursive: true, force: true })
    const { own } = await finish(
      ...['command', 'compress', model, '--out', out, '--step', step, '--quiet', '--json'],
      ...(calibrated ? ['--calibrate', text] : []),
    )
    await rm(out, { recursive: true, force: true })
    const run = { step, modelBytes, ...parts, ...own! }
    onResult(run)
    runs.push(run)
  }
  return runs
}
