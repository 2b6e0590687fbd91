import { integer, number, optional, positive, required, type When } from '@tersor/core'

/** Options of policies that keep the best entries of each head. `recent` are those that stay whatever their score. */
export const budgetOptions = (defaults: { readonly sinks: number; readonly recent: number }) => ({
  keep: required(positive({ doc: 'entries that stay in each head: up to 1 a share of the tokens seen, above 1 their number' })),
  sinks: integer({ min: 0, default: defaults.sinks, doc: 'entries at the beginning that always stay' }),
  recent: number({ min: 0, max: 1e6, default: defaults.recent, doc: 'the newest entries, which always stay: below 1 a share of those kept, else their number' }), // prettier-ignore
  every: optional(integer({ min: 1, doc: 'asked after each prompt and then after so many tokens; after prompts alone where absent' })),
})

export interface Budget {
  readonly keep: number
  readonly sinks: number
  readonly recent: number
}

/** Whole entries a head keeps of so many tokens seen: at least one, and those that always stay. */
export const entriesKept = ({ keep, sinks, recent }: Budget, seen: number): number =>
  Math.max(1, keep > 1 ? Math.round(keep) : Math.round(keep * seen), sinks + (recent < 1 ? 0 : recent))

/** How many of the newest always stay in a head that keeps so many. */
export const recentKept = ({ recent, sinks }: Budget, kept: number): number =>
  Math.min(kept - sinks, recent < 1 ? Math.round(recent * kept) : Math.round(recent))

/** Places of the first and the newest entries of a row. */
export const atBothEnds = (length: number, first: number, newest: number): readonly number[] =>
  Array.from({ length }, (_, place) => place).filter(place => place < first || place >= length - newest)

/** What is wrong with a budget, and what to do. */
export const refusedBudget = ({ keep, sinks, recent }: Budget): readonly [what: string, remedy: string] | undefined => {
  const always = sinks + (recent < 1 ? 0 : recent)
  if (keep <= 1 || keep >= always) return undefined
  return [
    `a budget of ${keep} entries is below the ${sinks} sinks and ${recent} recent ones that always stay.`,
    `Keep ${Math.ceil(always)} at least, or fewer sinks and recent entries.`,
  ]
}

/** Asked after each prompt, and where a number is given every so many tokens. */
export const whenAsked = (every: number | undefined): When => (every === undefined ? { at: 'prompt' } : { every })
