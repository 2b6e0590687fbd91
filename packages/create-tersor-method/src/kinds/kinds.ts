import { codec } from './codec.js'
import type { Kind } from './kind.js'
import { method } from './method.js'
import { pass } from './pass.js'
import { score } from './score.js'

/** What can be made, by the names that are typed. */
export const KINDS: Readonly<Record<string, Kind>> = { method, score, pass, codec }
