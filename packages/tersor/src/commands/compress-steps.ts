import type { Step } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { loadConfig } from '../config.js'
import { makeStep } from '../methods.js'
import type { TargetFlags } from '../targets/in-target.js'

/** Steps of --step and --config, in order; throws BAD_OPTION where there are none. */
export const stepsOf = async ({ step, config }: Pick<TargetFlags, 'step' | 'config'>): Promise<Step[]> => {
  const folder = process.cwd()
  const steps = await Promise.all(step.map(source => makeStep(source, folder)))
  if (config !== undefined) steps.push(await loadConfig(config))
  if (steps.length > 0) return steps
  throw new CompressionError(
    'BAD_OPTION',
    'No step was given.',
    'Pass --for RUNTIME, such as llama.cpp, or --step "gptq(bits=4)", or --config tersor.config.ts.',
  )
}
