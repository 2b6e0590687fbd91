/**
 * What issue 12 wants training to show: `npm run claims -- training`, or `training/lsq` for the rows whose names begin so.
 * Each row is kept behind each seed; fails where an order does not hold that is not written down as such.
 */
import type { Claim } from './training/claim.js'
import { DISTILLATION } from './training/distillation.js'
import { ENCODERS } from './training/encoders.js'
import { FEW_BITS } from './training/few-bits.js'
import { LOOP } from './training/loop.js'
import { PARTS } from './training/parts.js'
import { PROMPTS } from './training/prompts.js'
import { QUANTIZATION } from './training/quantization.js'
import { runClaims } from './training/run-claims.js'
import { TERMS } from './training/terms.js'

const CLAIMS: readonly Claim[] = [...LOOP, ...PARTS, ...QUANTIZATION, ...FEW_BITS, ...DISTILLATION, ...TERMS, ...ENCODERS, ...PROMPTS]

await runClaims('training', CLAIMS)
