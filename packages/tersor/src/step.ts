import { CompressionError } from '@tersor/tensor'

/** A step as written on the command line: `wanda(sparsity=0.5)` or `package:method(…)`; options may be calls themselves. */
export interface StepCall {
  /** The npm package to import, where the method is not one of Tersor's own. */
  readonly package?: string
  readonly name: string
  readonly options: Readonly<Record<string, StepValue>>
  /** Calls that stand without a name. */
  readonly items?: readonly StepCall[]
}

export type StepValue = string | number | boolean | StepCall | readonly StepValue[]

const badStep = (source: string, what: string): CompressionError =>
  new CompressionError(
    'BAD_OPTION',
    `The step ${JSON.stringify(source)} ${what}.`,
    'Write it as a call with named options, such as "gptq(bits=4, group=32)".',
    { step: source },
  )

const NAME = /\s*(?:((?:@[\w.-]+\/)?[\w./-]+):)?([\w-]+)\s*/y
const CALL = /\s*(?:(?:@[\w.-]+\/)?[\w./-]+:)?[\w-]+\s*\(/y
const KEY = /\s*([A-Za-z_][\w-]*)\s*=\s*/y
const QUOTED = /(?:"([^"]*)"|'([^']*)')\s*/y
/** A regular expression as a pattern of names. */
const EXPRESSION = /!?\/(?:[^/\\]|\\.)+\/i?(?=\s*[,)\]])/y
/** Up to the next comma or the end of what it stands in; braces hold commas. */
const BARE = /(?:\{[^{}]*\}|[^,"'()[\]{}])*(?:\((?:\{[^{}]*\}|[^,"'()[\]{}])*\)(?:\{[^{}]*\}|[^,"'()[\]{}])*)*/y

const valueOf = (bare: string): string | number | boolean => {
  if (bare === 'true' || bare === 'false') return bare === 'true'
  return bare !== '' && Number.isFinite(Number(bare)) ? Number(bare) : bare
}

/** What of a call cannot be read. */
const unread = (source: string, from: number): string =>
  `has an option that cannot be read at "${source
    .slice(from)
    .replace(/\)\s*$/, '')
    .trim()}"`

/** Reads from the left; `at` is how far it came. */
const reader = (source: string) => {
  let at = 0
  const match = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(source)
    if (found) at = pattern.lastIndex
    return found ?? undefined
  }
  const looksLike = (pattern: RegExp): boolean => {
    pattern.lastIndex = at
    return pattern.test(source)
  }
  const take = (character: string): boolean => {
    if (source[at] !== character) return false
    at++
    while (source[at] === ' ') at++
    return true
  }
  /** Items up to a closing character, with commas between. */
  const items = (close: string, item: () => void): void => {
    while (!take(close)) {
      if (at >= source.length) throw badStep(source, 'is not a call')
      item()
      if (!take(',') && source[at] !== close) throw badStep(source, at >= source.length ? 'is not a call' : unread(source, at))
    }
  }
  const value = (key: string): StepValue => {
    const quoted = match(QUOTED)
    if (quoted) return quoted[1] ?? quoted[2]
    if (take('[')) {
      const list: StepValue[] = []
      items(']', () => list.push(value(key)))
      return list
    }
    const expression = match(EXPRESSION)
    if (expression) return expression[0]
    if (looksLike(CALL)) return call()
    const bare = match(BARE)![0].trim()
    if (bare === '') throw badStep(source, `gives ${key} no value`)
    return valueOf(bare)
  }
  const call = (): StepCall => {
    const named = match(NAME)
    if (!named) throw badStep(source, 'is not a call')
    const [, from, name] = named
    const options: Record<string, StepValue> = {}
    const unnamed: StepCall[] = []
    if (take('('))
      items(')', () => {
        if (looksLike(CALL)) return void unnamed.push(call())
        const key = match(KEY)?.[1]
        if (key === undefined) throw badStep(source, unread(source, at))
        if (Object.hasOwn(options, key)) throw badStep(source, `gives ${key} twice`)
        options[key] = value(key)
      })
    return { name, options, ...(unnamed.length === 0 ? {} : { items: unnamed }), ...(from === undefined ? {} : { package: from }) }
  }
  return { call, atEnd: () => at >= source.length }
}

/** Reads one step; throws BAD_OPTION where it is no call with named options. */
export const parseStep = (source: string): StepCall => {
  const { call, atEnd } = reader(source.trim())
  const step = call()
  if (!atEnd()) throw badStep(source, 'is not a call')
  return step
}
