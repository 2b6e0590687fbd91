import type { CachePlan, CacheStorage, Made } from '@tersor/core'

/** Loads every family, which takes a while: only what names one waits for it. */
const methods = () => import('./methods.js')

/** What `--cache` names, in order; no family is loaded where it names nothing. Throws UNKNOWN_METHOD or BAD_OPTION. */
export const planFor = async (calls: readonly string[]): Promise<CachePlan> =>
  calls.length === 0 ? [] : (await methods()).makePlan(calls, process.cwd())

/** The storage that `--session-storage` names. Throws UNKNOWN_METHOD or BAD_OPTION. */
export const storageFor = async (call: string): Promise<CacheStorage & Made> => (await methods()).makeStorage(call, process.cwd())
