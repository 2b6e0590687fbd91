import type { Codec } from '@tersor/tensor'
import { affine } from './affine.js'
import { bitmask } from './bitmask.js'
import { codebook } from './codebook.js'
import { factored } from './factored.js'
import { levels } from './levels.js'
import { masked } from './masked.js'
import { matrix } from './matrix.js'
import { outliers } from './outliers.js'
import { permuted } from './permuted.js'
import { positioned } from './positioned.js'
import { powers } from './powers.js'
import { projected } from './projected.js'
import { ranged } from './ranged.js'
import { scaled } from './scaled.js'
import { stretched } from './stretched.js'
import { sum } from './sum.js'
import { tiled } from './tiled.js'
import { turned } from './turned.js'

/** The storage forms of this package, which a model may always use. */
export const CORE_CODECS: readonly Codec[] = Object.freeze([
  ...[affine, bitmask, codebook, factored, levels, masked, matrix, outliers],
  ...[permuted, positioned, powers, projected, ranged, scaled, stretched, sum, tiled, turned],
])
