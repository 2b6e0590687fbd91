import { CompressionError } from '@tersor/tensor'

/** Blocks behind one another. */
export interface BlockRun {
  readonly from: number
  readonly count: number
}

/** Which blocks of a file are free. */
export interface BlockSpace {
  /** Blocks that are taken, and how many the file has so far. */
  readonly used: number
  readonly size: number
  /** Takes so many, in as few runs as there are: the smallest free one that fits, else new ones at the end, else the largest in turn. Throws DISK where there are not so many. */
  take(count: number): readonly BlockRun[]
  /** Gives some back; runs that touch become one. */
  free(blocks: readonly number[]): void
}

const full = (count: number, most: number): CompressionError =>
  new CompressionError(
    'DISK',
    `There is no room for ${count} more blocks among ${most}.`,
    'Allow more blocks, close texts that are done, or keep caches small by a policy.',
    { count, most },
  )

/** Blocks as runs, ascending. */
export const runsOf = (blocks: readonly number[]): readonly BlockRun[] => {
  const runs: { from: number; count: number }[] = []
  for (const block of blocks) {
    const last = runs.at(-1)
    if (last && last.from + last.count === block) last.count++
    else runs.push({ from: block, count: 1 })
  }
  return runs
}

/** A space that grows up to `most` blocks. */
export const blockSpace = (most: number): BlockSpace => {
  /** Ascending, none touches another. */
  let holes: BlockRun[] = []
  let size = 0
  const free = (): number => holes.reduce((sum, { count }) => sum + count, 0)
  const cut = (hole: BlockRun, count: number): BlockRun => {
    const at = holes.indexOf(hole)
    holes.splice(at, 1, ...(hole.count > count ? [{ from: hole.from + count, count: hole.count - count }] : []))
    return { from: hole.from, count }
  }
  const grow = (count: number): BlockRun => ({ from: (size += count) - count, count })
  return {
    get used() {
      return size - free()
    },
    get size() {
      return size
    },
    take: count => {
      if (count > most - size + free()) throw full(count, most)
      if (count === 0) return []
      const fitting = holes.filter(hole => hole.count >= count).sort((a, b) => a.count - b.count || a.from - b.from)
      if (fitting.length > 0) return [cut(fitting[0], count)]
      if (size + count <= most) return [grow(count)]
      const runs: BlockRun[] = []
      let left = count
      for (const hole of [...holes].sort((a, b) => b.count - a.count || a.from - b.from)) {
        if (left === 0) break
        const run = cut(hole, Math.min(left, hole.count))
        runs.push(run)
        left -= run.count
      }
      return left === 0 ? runs : [...runs, grow(left)]
    },
    free: blocks => {
      const all = [...holes.flatMap(({ from, count }) => Array.from({ length: count }, (_, i) => from + i)), ...blocks]
      holes = [...runsOf(all.sort((a, b) => a - b))]
    },
  }
}
