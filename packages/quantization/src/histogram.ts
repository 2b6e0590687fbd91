/** How many bins lie on each side of 0. */
const SIDE = 4096

/** How often values fell into bins of one width around 0: bin i covers (i − SIDE) · width … (i − SIDE + 1) · width. */
export interface Histogram {
  readonly width: number
  readonly counts: Float64Array
  /** Zeros, which every grid holds: they count for nothing. */
  readonly zeros: number
  readonly low: number
  readonly high: number
}

export const emptyHistogram = (): Histogram => ({ width: 0, counts: new Float64Array(2 * SIDE), zeros: 0, low: 0, high: 0 })

/** The counts over bins twice as wide. */
const merge = (counts: Float64Array): Float64Array => {
  const merged = new Float64Array(2 * SIDE)
  for (let i = 0; i < 2 * SIDE; i++) merged[SIDE + Math.floor((i - SIDE) / 2)] += counts[i]
  return merged
}

/** A width, a power of two, whose bins reach the value. */
const widthFor = (reach: number): number => 2 ** Math.ceil(Math.log2(reach)) / SIDE

/** Counts more values; where they lie outside, bins are merged in pairs, so that nothing has to be seen twice. */
export const addToHistogram = (histogram: Histogram, values: Float32Array): Histogram => {
  let { width, counts, zeros, low, high } = histogram
  for (const value of values) {
    if (value < low) low = value
    else if (value > high) high = value
  }
  const reach = Math.max(-low, high)
  if (reach > 0) {
    const needed = widthFor(reach)
    if (width === 0) width = needed
    for (; width < needed; width *= 2) counts = merge(counts)
  }
  for (let i = 0; i < values.length; i++) {
    if (values[i] === 0) zeros++
    else counts[Math.min(2 * SIDE - 1, Math.max(0, SIDE + Math.floor(values[i] / width)))]++
  }
  return { width, counts, zeros, low, high }
}

/** The middle of a bin. */
export const middleOf = ({ width }: Histogram, bin: number): number => (bin - SIDE + 0.5) * width

/** |value| in `bins` bins of one width that end at the largest: counts and the width. */
export const magnitudes = (
  { width, counts, low, high }: Histogram,
  bins: number,
): { readonly counts: Float64Array; readonly width: number } => {
  const reach = Math.max(-low, high)
  const folded = new Float64Array(bins)
  const own = reach / bins
  if (own === 0) return { counts: folded, width: 0 }
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] > 0) folded[Math.min(bins - 1, Math.floor((Math.abs(i - SIDE + 0.5) * width) / own))] += counts[i]
  }
  return { counts: folded, width: own }
}
