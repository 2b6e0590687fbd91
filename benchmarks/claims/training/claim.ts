/** A row of the claims table of training: what is measured, and what has to come of it. */

/** What a measurement gives, by the name of the figure. */
export type Figures = Readonly<Record<string, number>>

/** How a figure is read. */
export interface Figure {
  readonly better: 'higher' | 'lower'
  readonly digits: number
  /** Differences of this and less say nothing. */
  readonly tie: number
}

export interface Side {
  readonly name: string
  /** Whether it is the same for every seed. */
  readonly fixed?: boolean
  measure(seed: number): Promise<Figures>
}

/** One side is better than another, or no worse, or as good as a number. */
export interface Order {
  readonly figure: string
  readonly first: string
  readonly than: string | number
  /** Whether a tie is enough. */
  readonly orEqual?: boolean
}

export interface Claim {
  readonly name: string
  readonly says: string
  /** A folder of the shared data that it needs. */
  readonly data?: string
  readonly figures: Readonly<Record<string, Figure>>
  readonly sides: () => readonly Side[] | Promise<readonly Side[]>
  readonly orders: readonly Order[]
  /** Whether it is measured only where its row is asked for: times, on a machine that does nothing else. */
  readonly alone?: boolean
  /** Why it does not hold here, and what was tried: the run does not fail for it then. */
  readonly failing?: string
}

/** Right classes of the 2,000 test images; six of them are a tie. */
export const RIGHT: Figure = { better: 'higher', digits: 0, tie: 6 }
export const PERPLEXITY: Figure = { better: 'lower', digits: 2, tie: 0.1 }

export interface Measured {
  readonly name: string
  readonly says: string
  readonly seeds: readonly number[]
  /** Of each side, each figure by seed. */
  readonly sides: readonly { readonly name: string; readonly figures: Readonly<Record<string, readonly number[]>> }[]
  readonly verdicts: readonly string[]
  readonly minutes: number
  readonly load: number
  readonly date: string
}

const FIRST_SEED = 1
const MORE_SEEDS = [2, 3]
/** Where a margin is smaller than this part, three seeds are measured. */
const CLOSE = 0.03

export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

type SidesOf = Pick<Measured, 'sides'>

const valuesAt = ({ sides }: SidesOf, side: string, figure: string): readonly number[] => {
  const values = sides.find(({ name }) => name === side)?.figures[figure]
  if (!values) throw new Error(`No side "${side}" has a figure "${figure}".`)
  return values
}

/** The numbers that an order compares, and by how much the first is better. */
const compared = (measured: SidesOf, { figures }: Claim, { figure, first, than }: Order) => {
  const a = mean(valuesAt(measured, first, figure))
  const b = typeof than === 'number' ? than : mean(valuesAt(measured, than, figure))
  return { a, b, by: figures[figure].better === 'higher' ? a - b : b - a }
}

const isClose = (measured: SidesOf, claim: Claim): boolean =>
  claim.orders.some(order => {
    const { a, b, by } = compared(measured, claim, order)
    return Math.abs(by) < CLOSE * Math.max(Math.abs(a), Math.abs(b))
  })

/** "4.20e-3" where digits would show nothing. */
export const shown = (value: number, digits: number): string =>
  value !== 0 && Math.abs(value) < 0.5 * 10 ** -digits ? value.toExponential(1) : value.toFixed(digits)

const verdictOf = (measured: SidesOf, claim: Claim, order: Order): string => {
  const { figure, first, than, orEqual = false } = order
  const { a, b, by } = compared(measured, claim, order)
  const { tie, digits, better } = claim.figures[figure]
  const holds = typeof than === 'number' ? by >= 0 : orEqual ? by >= -tie : by > tie
  const sign = (better === 'higher' ? '>' : '<') + (orEqual || typeof than === 'number' ? '=' : '')
  const [left, right] = [a, b].map(value => shown(value, digits))
  const told = typeof than === 'number' ? right : `${than} ${right}`
  const failed = claim.failing === undefined ? 'FAILS' : 'does not hold here'
  return `${holds ? 'holds' : failed}: ${figure}, ${first} ${left} ${sign} ${told}`
}

/**
 * Measures every side with one seed, and with two more where an order is close; gives the row behind each seed. A row that was measured
 * `before` goes on with the sides and the seeds that it lacks.
 */
export async function* measure(claim: Claim, facts: Pick<Measured, 'load' | 'date'>, before?: Measured): AsyncGenerator<Measured> {
  const started = performance.now()
  const sides = await claim.sides()
  const figuresOf = (side: string) =>
    Object.entries(before?.sides.find(({ name }) => name === side)?.figures ?? {}).map(([figure, values]): [string, number[]] => [
      figure,
      [...values],
    ])
  const found = sides.map(({ name }) => ({ name, figures: Object.fromEntries(figuresOf(name)) }))
  const seeds = [...(before?.seeds ?? [])]
  /** Whether a side has been measured with the seed at this place of theirs. */
  const isDone = (i: number, place: number): boolean => {
    const [values = []] = Object.values(found[i].figures)
    return values.length > (sides[i].fixed ? 0 : place)
  }
  const isWhole = (seed: number): boolean => seeds.includes(seed) && sides.every((_, i) => isDone(i, seeds.indexOf(seed)))
  const run = async (seed: number): Promise<void> => {
    const place = seeds.includes(seed) ? seeds.indexOf(seed) : seeds.length
    for (const [i, { name, measure }] of sides.entries()) {
      if (isDone(i, place)) continue
      const from = performance.now()
      const figures = await measure(seed)
      for (const [figure, value] of Object.entries(figures)) (found[i].figures[figure] ??= []).push(value)
      const told = Object.entries(figures).map(([figure, value]) => `${figure} ${shown(value, claim.figures[figure].digits)}`)
      console.log(`  ${name}, seed ${seed}: ${told.join(', ')} (${((performance.now() - from) / 1000).toFixed(0)} s)`)
    }
    if (place === seeds.length) seeds.push(seed)
  }
  const row = (): Measured => ({
    ...{ name: claim.name, says: claim.says, seeds: [...seeds], sides: found, ...facts },
    verdicts: claim.orders.map(order => verdictOf({ sides: found }, claim, order)),
    minutes: (before?.minutes ?? 0) + (performance.now() - started) / 60_000,
  })
  for (const seed of new Set([FIRST_SEED, ...seeds])) {
    if (isWhole(seed)) continue
    await run(seed)
    yield row()
  }
  if (!isClose({ sides: found }, claim)) return
  for (const seed of MORE_SEEDS.filter(each => !isWhole(each))) {
    await run(seed)
    yield row()
  }
}
