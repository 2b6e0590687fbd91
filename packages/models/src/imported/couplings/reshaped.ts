import { axisOf, factorsOf, halved, isSame, productOf, type Factor } from './factors.js'
import { hasUnits, plain, protect, type Axes, type Axis, type Extent } from './units.js'

/** An extent that is asked for: how long, -1 where that follows, or undefined where it shows when the graph runs. */
const lengthAsked = (extent: Extent): number | undefined => (typeof extent === 'number' ? extent : extent.extent)

/** Takes factors from one end of a list whose product is so many; undefined, with the list as it was, where they are none. */
const taken = (factors: Factor[], extent: number, fromEnd: boolean): readonly Factor[] | undefined => {
  const before = [...factors]
  const result: Factor[] = []
  for (let rest = extent; rest > 1;) {
    const next = fromEnd ? factors.pop() : factors.shift()
    const isWhole = next?.extent !== undefined && next.extent <= rest && rest % next.extent === 0
    const parts = next?.extent === undefined || isWhole ? undefined : halved(next, fromEnd ? next.extent / rest : rest)
    if (!isWhole && !parts) {
      factors.splice(0, factors.length, ...before)
      return undefined
    }
    const [mine, other] = parts ? (fromEnd ? [parts[1], parts[0]] : parts) : [next!, undefined]
    if (other && fromEnd) factors.push(other)
    else if (other) factors.unshift(other)
    if (fromEnd) result.unshift(mine)
    else result.push(mine)
    rest = parts ? 1 : rest / mine.extent!
  }
  return result
}

/** The axis that stands at one end of some factors; undefined where none does that is as long as asked. */
const next = (factors: Factor[], asked: Extent, fromEnd: boolean, what: string): Axis | undefined => {
  const extent = lengthAsked(asked)
  if (extent === -1) return undefined
  if (extent === undefined) {
    const at = fromEnd ? factors.length - 1 : 0
    return factors[at]?.axis === asked ? factors.splice(at, 1)[0].axis : undefined
  }
  const found = taken(factors, extent, fromEnd)
  return found && axisOf(found, what)
}

/** Where a graph copies an extent, that of the same units. */
const checkCopied = (made: Axis, asked: Extent, what: string): void => {
  if (typeof asked === 'number' || isSame(made, asked)) return
  for (const axis of [made, asked]) protect(axis, `${what} is told the number of others`)
}

/** -1 in numbers where all others are. */
const inNumbers = (axes: Axes, wanted: readonly Extent[]): readonly Extent[] | undefined => {
  const have = productOf(axes)
  const others = productOf(wanted.filter(each => each !== -1).map(each => ({ extent: lengthAsked(each) })))
  if (have === undefined || others === undefined) return wanted
  if (!wanted.includes(-1)) return have === others ? wanted : undefined
  return others > 0 && have % others === 0 ? wanted.map(each => (each === -1 ? have / others : each)) : undefined
}

/** An axis that is asked for, on which nothing stands. */
const plainAsked = (extent: Extent): Axis => (typeof extent === 'object' ? extent : plain(extent === -1 ? undefined : extent))

/** What is left in the middle; undefined where it is not known what becomes of units there. */
const middle = (factors: readonly Factor[], asked: readonly Extent[], what: string): Axes | undefined => {
  if (asked.length === 0) return productOf(factors) === 1 ? [] : undefined
  const made = axisOf(factors, what)
  const isOpen = asked.some(extent => lengthAsked(extent) === -1 || lengthAsked(extent) === undefined)
  if (!hasUnits(made) && (isOpen || made.extent === undefined)) return asked.map(plainAsked)
  if (asked.length === 1 && (isOpen || lengthAsked(asked[0]) === made.extent)) return [made]
  if (isOpen || (made.extent !== undefined && asked.length === 1)) return undefined
  protect(made, `${what} mixes them with other axes`)
  return asked.map(extent => plain(lengthAsked(extent)))
}

/**
 * The same elements in a shape, -1 for an extent that follows: axes that are taken together, parted or left as they are, units within units where
 * it parts these; undefined where the shape leaves open what becomes of them.
 */
export const reshaped = (axes: Axes, shape: readonly Extent[], what = 'Reshape'): Axes | undefined => {
  const wanted = inNumbers(axes, shape)
  if (!wanted || wanted.some(each => each === 0)) return undefined
  const factors = axes.flatMap(factorsOf)
  const [first, last]: [Axis[], Axis[]] = [[], []]
  const rest = [...wanted]
  for (let made = next(factors, rest[0] ?? -1, false, what); made; made = next(factors, rest[0] ?? -1, false, what)) {
    first.push(made)
    rest.shift()
  }
  for (let made = next(factors, rest.at(-1) ?? -1, true, what); made; made = next(factors, rest.at(-1) ?? -1, true, what)) {
    last.unshift(made)
    rest.pop()
  }
  const between = middle(factors, rest, what)
  if (!between) return undefined
  const made = [...first, ...between, ...last]
  made.forEach((axis, i) => checkCopied(axis, wanted[i], what))
  return made
}
