/** How many bins lie on each side of 0, where nothing else is asked for. */
const SIDE = 4096

/** How often values fell into bins of one width around 0, as many on either side: bin side + i covers i · width … (i + 1) · width. */
export interface Histogram {
  readonly width: number
  readonly counts: Float64Array
  /** Zeros, which every grid holds: they count for nothing. */
  readonly zeros: number
  readonly low: number
  readonly high: number
}

export const emptyHistogram = (side = SIDE): Histogram => ({ width: 0, counts: new Float64Array(2 * side), zeros: 0, low: 0, high: 0 })

const sideOf = ({ counts }: Pick<Histogram, 'counts'>): number => counts.length / 2

/** The counts over bins twice as wide. */
const merge = (counts: Float64Array): Float64Array => {
  const [merged, side] = [new Float64Array(counts.length), sideOf({ counts })]
  for (let i = 0; i < counts.length; i++) merged[side + Math.floor((i - side) / 2)] += counts[i]
  return merged
}

/** A width, a power of two, of which so many bins reach the value. */
const widthFor = (reach: number, side: number): number => 2 ** Math.ceil(Math.log2(reach)) / side

/** Counts more values; where they lie outside, bins are merged in pairs, so that nothing has to be seen twice. */
export const addToHistogram = (histogram: Histogram, values: Float32Array): Histogram => {
  let { width, counts, zeros, low, high } = histogram
  const side = sideOf(histogram)
  for (const value of values) {
    if (value < low) low = value
    else if (value > high) high = value
  }
  const reach = Math.max(-low, high)
  if (reach > 0) {
    const needed = widthFor(reach, side)
    if (width === 0) width = needed
    for (; width < needed; width *= 2) counts = merge(counts)
  }
  for (let i = 0; i < values.length; i++) {
    if (values[i] === 0) zeros++
    else counts[Math.min(2 * side - 1, Math.max(0, side + Math.floor(values[i] / width)))]++
  }
  return { width, counts, zeros, low, high }
}

/** The middle of a bin. */
export const middleOf = (histogram: Histogram, bin: number): number => (bin - sideOf(histogram) + 0.5) * histogram.width

/**
 * |value| in about `bins` bins of one width up to the largest, each a run of the histogram's own: counts and the width.
 * The histogram needs many more: a run has the nearest whole number of them.
 */
export const magnitudes = (histogram: Histogram, bins: number): { readonly counts: Float64Array; readonly width: number } => {
  const { width, counts, low, high } = histogram
  const [side, reach] = [sideOf(histogram), Math.max(-low, high)]
  if (reach === 0) return { counts: new Float64Array(0), width }
  const used = Math.min(side, Math.floor(reach / width) + 1)
  const run = Math.max(1, Math.round(used / bins))
  const folded = new Float64Array(Math.ceil(used / run))
  for (let i = 0; i < used; i++) folded[Math.floor(i / run)] += counts[side + i] + counts[side - 1 - i]
  return { counts: folded, width: width * run }
}
