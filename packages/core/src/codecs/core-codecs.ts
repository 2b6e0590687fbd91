import type { Codec } from '@tersor/tensor'
import { affine } from './affine.js'
import { bitmask } from './bitmask.js'
import { codebook } from './codebook.js'
import { factored } from './factored.js'
import { levels } from './levels.js'
import { masked } from './masked.js'
import { matrix } from './matrix.js'
import { permuted } from './permuted.js'
import { powers } from './powers.js'
import { ranged } from './ranged.js'
import { scaled } from './scaled.js'
import { sum } from './sum.js'

/** The storage forms of this package, which a model may always use. */
export const CORE_CODECS: readonly Codec[] = Object.freeze([
  ...[affine, bitmask, codebook, factored, levels, masked, matrix],
  ...[permuted, powers, ranged, scaled, sum],
])
