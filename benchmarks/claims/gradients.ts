/**
 * What gradients on the wire are to show: `npm run claims -- gradients`, or `gradients/dgc` for the rows whose names begin so.
 * Fails where an order does not hold that is not written down as such.
 */
import { ALLOCATION } from './gradients/allocation.js'
import { CODING } from './gradients/coding.js'
import { LANGUAGE } from './gradients/language.js'
import { LINK } from './gradients/link.js'
import { QUADRATICS } from './gradients/quadratics.js'
import { SADDLE_POINTS } from './gradients/saddle-points.js'
import { TWO_TASKS } from './gradients/two-tasks.js'
import { runClaims } from './training/run-claims.js'

await runClaims('gradients', [...QUADRATICS, ...LANGUAGE, ...ALLOCATION, ...SADDLE_POINTS, ...CODING, ...TWO_TASKS, ...LINK])
