import { availableParallelism } from 'node:os'

/** What a user may set with `configure`. */
export interface Settings {
  /** Threads of one native kernel. Default: all cores, or the environment's TERSOR_THREADS. */
  readonly threads: number
  /** Whether threads wait for the next kernel of a running graph by spinning, as PyTorch's do: faster where the cores are free, slower where not. Default: true, unless TERSOR_SPINNING is 0. */
  readonly spinning: boolean
  /** Upper bound of the free arrays kept for reuse. */
  readonly poolBytes: number
  /** Upper bound of the compiled graphs kept. */
  readonly sessions: number
  /** Whether a compiled graph keeps the memory it ran in: faster by a tenth, at the price of its largest values. */
  readonly arena: boolean
  /** Kernels whose inputs are known and of at most so many elements are left to tfjs-cpu, which is quicker there. */
  readonly smallElements: number
}

const DEFAULT_POOL_BYTES = 512 * 1024 * 1024
/** A whole-trace session of a language model holds tens to hundreds of megabytes. */
const DEFAULT_SESSIONS = 24
const DEFAULT_SMALL_ELEMENTS = 64

function positive(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value
  throw new RangeError(`${name} must be a whole number above 0, got ${value}.\nLeave it out to use the default.`)
}

/** How sessions run. */
export type Running = Pick<Settings, 'threads' | 'spinning' | 'arena'>

/** Fills in defaults and refuses numbers that make no sense. */
export function resolveSettings(given: Partial<Settings>, environment: Record<string, string | undefined> = process.env): Settings {
  const wanted = environment['TERSOR_THREADS']
  const threads = given.threads ?? (wanted ? positive('TERSOR_THREADS', Number(wanted)) : availableParallelism())
  return {
    threads: positive('threads', threads),
    spinning: given.spinning ?? environment['TERSOR_SPINNING'] !== '0',
    poolBytes: positive('poolBytes', given.poolBytes ?? DEFAULT_POOL_BYTES),
    sessions: positive('sessions', given.sessions ?? DEFAULT_SESSIONS),
    arena: given.arena ?? true,
    smallElements: given.smallElements ?? DEFAULT_SMALL_ELEMENTS,
  }
}
