/**
 * What stored caches are to show: `npm run claims -- stored-caches`, or `stored-caches/memory` for the rows whose names begin so.
 * Fails where an order does not hold that is not written down as such.
 */
import { CACHE_GEN } from './kv-cache-storage/cache-gen.js'
import { FAST_SWITCH } from './kv-cache-storage/fast-switch.js'
import { GRAPHS } from './kv-cache-storage/graphs.js'
import { MEMORY } from './kv-cache-storage/memory.js'
import { runClaims } from './training/run-claims.js'

await runClaims('stored-caches', [...MEMORY, ...CACHE_GEN, ...FAST_SWITCH, ...GRAPHS])
