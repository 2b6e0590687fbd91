import type { Surroundings } from './command-line.js'

export type { Surroundings }
export { compare, compressModel, quantize, readCalibration } from './programs.js'
export { defineConfig, type Config, type ConfigStep } from './define-config.js'
export type * from './program-options.js'
export type { ComparedModel } from './compare-models.js'
export type { CompressionResult, LeftAlone, Share } from './compression-result.js'
export type { Measures } from './measures.js'
export type { Quality } from './quality.js'
export type { LayerReport, StepReport } from './step-reports.js'
export type { WeightError } from './weight-errors.js'

/** Runs one command line and returns its exit code: 0, 1 for a failure, 2 for wrong usage, 130 when interrupted. */
export const main = async (argv: readonly string[], surroundings?: Surroundings): Promise<number> =>
  (await import('./command-line.js')).main(argv, surroundings)
