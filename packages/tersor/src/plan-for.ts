import type { CachePlan } from '@tersor/core'

/** The policies that `--cache` names, in order; no family is loaded where it names none. Throws UNKNOWN_METHOD or BAD_OPTION. */
export const planFor = async (calls: readonly string[]): Promise<CachePlan> =>
  calls.length === 0 ? [] : (await import('./methods.js')).makePlan(calls, process.cwd())
