/** How sharply blocks with little influence lose more than others. */
const SHARPNESS = 0.1
/** A block keeps some of its units, however little it does. */
const MOST = 0.85

/**
 * What each block loses where all lose `mean` on average, by how much each turns its inputs: φᵢ = L · φ̄ · softmax(−s / 0.1)ᵢ, 0.85 at most; what a
 * block cannot lose is taken from the others in proportion, so that the mean stays.
 */
export const blockShares = (influence: readonly number[], mean: number): readonly number[] => {
  const most = Math.max(MOST, mean)
  const least = Math.min(...influence)
  const weights = influence.map(each => Math.exp(-(each - least) / SHARPNESS))
  const full = new Set<number>()
  for (;;) {
    const rest = influence.length * mean - full.size * most
    const sum = weights.reduce((total, weight, block) => (full.has(block) ? total : total + weight), 0)
    const shares = weights.map((weight, block) => (full.has(block) ? most : (rest * weight) / sum))
    const over = shares.flatMap((share, block) => (share > most && !full.has(block) ? [block] : []))
    if (over.length === 0) return shares
    over.forEach(block => full.add(block))
  }
}
