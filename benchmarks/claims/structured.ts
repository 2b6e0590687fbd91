/** What networks that really shrink are to show: `npm run claims -- structured`, or `structured/flap` for the rows whose names begin so. */
import { CUTS } from './structured/cuts.js'
import { RELEVANCE } from './structured/relevance.js'
import { runClaims } from './training/run-claims.js'

await runClaims('structured', [...CUTS, ...RELEVANCE])
