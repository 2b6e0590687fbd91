import {
  callText,
  checkOptions,
  described,
  integer,
  optional,
  recorded,
  value,
  type Arguments,
  type DescriptionTexts,
  type Exchange,
  type OptionTable,
  type ValuesOf,
} from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import type { Collective } from './collective/collective.js'
import { isCodec, type Codec, type Promised } from './define-codec.js'

export interface ExchangeDefinition<O extends OptionTable> extends DescriptionTexts {
  readonly name: string
  readonly options: O
  /** Checks that need more than one option; returns what is wrong and what to do. */
  readonly check?: (options: ValuesOf<O>) => readonly [what: string, remedy: string] | undefined
  /** Bound to the workers; its name tells it from others in checkpoints and between workers. */
  readonly make: (peers: Collective, options: ValuesOf<O>, name: string) => Omit<Exchange, 'name'>
}

/** Declares how workers make one gradient of theirs: options once, checked when the factory is called with the workers; throws BAD_OPTION there. */
export const defineExchange = <const O extends OptionTable>(definition: ExchangeDefinition<O>) => {
  const { name, options: table, check, make } = definition
  const bind = (peers: Collective, ...[given]: Arguments<O>): Exchange => {
    const options = checkOptions(name, table, given ?? {})
    const problem = check?.(options)
    if (problem) throw new CompressionError('BAD_OPTION', `${name}: ${problem[0]}`, problem[1], { owner: name })
    const called = `${callText({ name, options: recorded(options) })} of ${peers.size} workers`
    return Object.freeze<Exchange>({ name: called, ...make(peers, options, called) })
  }
  return described(bind, 'exchange', definition, table)
}

/** An option that takes a codec with such a promise. */
export const codecOption = <P extends Promised>(doc: string) => value<Codec<P>>({ of: 'codec', is: isCodec, doc })

/** The option of exchanges that may leave a late worker out. */
export const withinOption = optional(
  integer({ min: 1, doc: 'milliseconds that the first worker waits for the others, whose gradients are left out of the step where they come later; all are waited for where absent' }), // prettier-ignore
)

const KNOWN: Readonly<Record<Promised, string>> = {
  exact: 'plain',
  contractive: 'half, top-k, random-k, sign',
  unbiased: 'qsgd, tern-grad, unbiased-random-k',
}

/** The wrong kind of codec, in plain JavaScript: in TypeScript it does not compile. Throws COMPOSITION. */
export const checkPromise = (owner: string, codec: Codec, allowed: readonly Promised[]): void => {
  if (allowed.includes(codec.promises)) return
  const names = allowed.map(kind => KNOWN[kind]).join(', ')
  throw new CompressionError('COMPOSITION', `${owner} got ${callText(codec)}, which is ${codec.promises}.`, `Give it a codec that is ${allowed.join(' or ')}: ${names}.`, { owner, codec: codec.name }) // prettier-ignore
}
