/** What networks that really shrink are to show: `npm run claims -- structured`, or `structured/flap` for the rows whose names begin so. */
import { CUTS } from './structured/cuts.js'
import { DEPTH_AND_WIDTH } from './structured/depth.js'
import { FEATURES_OF_IMAGES } from './structured/features.js'
import { RELEVANCE } from './structured/relevance.js'
import { SECONDS } from './structured/seconds.js'
import { SORTED } from './structured/sorted.js'
import { TUNED } from './structured/tuned.js'
import { runClaims } from './training/run-claims.js'

await runClaims('structured', [...CUTS, ...DEPTH_AND_WIDTH, ...SORTED, ...RELEVANCE, ...SECONDS, ...FEATURES_OF_IMAGES, ...TUNED])
