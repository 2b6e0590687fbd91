/** What of one's own result says who its rivals are. */
export interface OwnResult {
  /** Trees of its layers in words, such as "affine{data: u4, scale: f16}". */
  readonly trees: readonly string[]
  /** Of the layers that it compressed. */
  readonly bitsPerWeight: number
  /** Share of their weights that were removed. */
  readonly sparsity: number
  /** Of their factors, where they have any. */
  readonly rank?: number
  /** Of its steps, where they are called so. */
  readonly bits?: number
  readonly group?: number
}

/** A pipeline to compare with, and whether it learns from inputs. */
export interface Rival {
  readonly steps: readonly string[]
  readonly calibrated?: boolean
}

/** Steps that do the same kind of thing, at the same size. */
interface Family {
  readonly name: string
  readonly has: (own: OwnResult) => boolean
  readonly rivals: (own: OwnResult) => readonly Rival[]
}

const GROUPS = [128, 64, 32, 16]
const HALF = 16
/** Trees that say which weights were removed. */
export const REMOVED = /^(bitmask|masked)\{/
const CODES = /(affine|ranged|codebook|levels|scaled)\{/
const FACTORS = /factored\{/

const some = ({ trees }: OwnResult, pattern: RegExp): boolean => trees.some(tree => pattern.test(tree))

/** Bits, and columns under one scale, whose codes and scales together come closest to a size; what a step says of itself goes first. */
export const gridOf = ({
  bitsPerWeight,
  bits,
  group,
}: Pick<OwnResult, 'bitsPerWeight' | 'bits' | 'group'>): readonly [bits: number, group: number] => {
  const code = Math.min(8, Math.max(1, bits ?? Math.floor(bitsPerWeight)))
  const distance = (columns: number): number => Math.abs(code + HALF / columns - bitsPerWeight)
  return [code, group ?? GROUPS.reduce((best, columns) => (distance(columns) < distance(best) ? columns : best))]
}

const rounding = (own: OwnResult): readonly Rival[] => {
  const [bits, group] = gridOf(own)
  const grid = `bits=${bits}, group=${group}`
  const tables = bits === 4 ? [{ steps: [`nf4(block=${group})`] }, { steps: ['mxfp4()'] }] : []
  return [
    { steps: [`rtn(${grid})`] },
    { steps: [`hqq(${grid})`] },
    ...tables,
    { steps: [`gptq(${grid})`], calibrated: true },
    { steps: ['awq()', `rtn(${grid})`], calibrated: true },
  ]
}

const pruning = ({ sparsity }: OwnResult): readonly Rival[] => {
  const share = `sparsity=${Number(sparsity.toFixed(3))}`
  return [
    { steps: [`magnitude(${share})`] },
    { steps: [`wanda(${share})`], calibrated: true },
    { steps: [`sparse-gpt(${share})`], calibrated: true },
  ]
}

/** Each way to remove, and then to round what is left. */
const both = (own: OwnResult): readonly Rival[] => {
  // a bit a weight says which were kept
  const [bits, group] = gridOf({ ...own, bitsPerWeight: (own.bitsPerWeight - 1) / Math.max(0.05, 1 - own.sparsity) })
  return pruning(own).map(({ steps, calibrated = false }) => ({
    steps: [...steps, `${calibrated ? 'gptq' : 'rtn'}(bits=${bits}, group=${group})`],
    calibrated,
  }))
}

/** The first that fits is taken. */
const FAMILIES: readonly Family[] = [
  { name: 'pruning and quantization', has: own => some(own, REMOVED) && some(own, CODES), rivals: both },
  { name: 'pruning', has: own => some(own, REMOVED), rivals: pruning },
  { name: 'quantization', has: own => some(own, CODES), rivals: rounding },
  {
    name: 'low rank',
    has: own => some(own, FACTORS) && own.rank !== undefined,
    rivals: ({ rank }) => [{ steps: [`svd(rank=${rank})`] }],
  },
]

/** Whom a result is compared with; undefined where nothing standard does what it does. */
export const familyOf = (own: OwnResult): { readonly name: string; readonly rivals: readonly Rival[] } | undefined => {
  const found = FAMILIES.find(({ has }) => has(own))
  return found && { name: found.name, rivals: found.rivals(own) }
}
