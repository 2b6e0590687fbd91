import { CompressionError } from '@tersor/tensor'
import type { Block, Change, Coupling } from '../model/coupling.js'
import type { Model } from '../model/model.js'

const refuse = (what: string, remedy: string, fields: Readonly<Record<string, unknown>>): CompressionError =>
  new CompressionError('BAD_OPTION', what, remedy, fields)

const blockOf = ({ blocks = [] }: Model, name: string): Block => {
  const found = blocks.find(each => each.name === name)
  if (found) return found
  const names = blocks.map(each => each.name)
  const told = names.length === 0 ? 'none' : `${names.slice(0, 4).join(', ')}${names.length > 4 ? ` and ${names.length - 4} more` : ''}`
  throw refuse(`There is no block "${name}".`, `Blocks are ${told}.`, { block: name, names })
}

/** A block that uses another's weights, and that other. */
interface Sharing {
  readonly user: Block
  readonly owner: Block
}

/** What cannot be: to use weights of what goes, of what uses another's itself, or of what is made otherwise. */
const whyNot = ({ params }: Model, { user, owner }: Sharing, { shares = new Map(), without = new Set() }: Change): string | undefined => {
  const gone = [user, owner].find(({ name, stage }) => without.has(name) || without.has(stage))
  if (gone) return `"${gone.name}" is left out`
  if (user.name === owner.name) return 'it is the same block'
  if (shares.has(owner.name)) return `"${owner.name}" uses those of "${shares.get(owner.name)}" itself`
  if (user.kind !== owner.kind) return `one is ${user.kind}, the other ${owner.kind}`
  const [own, used] = [user, owner].map(({ parameters }) => parameters.map(name => String(params.info(name).shape)))
  const fits = own.length === used.length && own.every((shape, i) => shape === used[i])
  return fits ? undefined : 'their weights have other shapes'
}

const sharingsOf = (model: Model, change: Change): readonly Sharing[] => {
  const all = [...(change.shares ?? [])].map(([user, owner]) => ({ user: blockOf(model, user), owner: blockOf(model, owner) }))
  const taken = new Set<string>()
  for (const { user, owner } of all) {
    const fields = { block: user.name, of: owner.name }
    const why = whyNot(model, { user, owner }, change)
    if (why !== undefined)
      throw refuse(`"${user.name}" cannot use the weights of "${owner.name}": ${why}.`, 'Name a block of the same make that stays and has its own.', fields) // prettier-ignore
    const twice = user.parameters.find(name => taken.has(name))
    if (twice !== undefined) throw refuse(`"${twice}" is to come from two blocks.`, 'Name a block or its parts, not both.', fields)
    user.parameters.forEach(name => taken.add(name))
  }
  return all
}

/** Whether all of a coupling stands in a block. */
const isWithin = ({ members }: Coupling, { parameters }: Block): boolean => members.every(({ parameter }) => parameters.includes(parameter))

/** The couplings of a block that uses another's weights, each with that of the other. */
const pairedCouplings = ({ couplings = [] }: Model, { user, owner }: Sharing): readonly (readonly [own: Coupling, used: Coupling])[] => {
  const counterpart = (name: string): string => owner.parameters[user.parameters.indexOf(name)]
  return couplings
    .filter(coupling => isWithin(coupling, user))
    .flatMap(own => {
      const at = counterpart(own.members[0].parameter)
      const used = couplings.find(({ kind, members, ...each }) => kind === own.kind && members[0].parameter === at && isWithin({ kind, members, ...each }, owner)) // prettier-ignore
      return used ? [[own, used] as const] : []
    })
}

/** A change in which a block that uses another's weights keeps of its units what the other keeps. Throws BAD_OPTION where it is told otherwise. */
const alike = (model: Model, change: Change, sharings: readonly Sharing[]): Change => {
  const keep = new Map(change.keep)
  for (const [own, used] of sharings.flatMap(sharing => pairedCouplings(model, sharing))) {
    const [told, wanted] = [change.keep?.get(own.name), change.keep?.get(used.name)]
    if (told && String(told) !== String(wanted))
      throw refuse(`"${own.name}" is to keep other units than "${used.name}", whose weights it uses.`, `Name units of "${used.name}" alone.`, { coupling: own.name, of: used.name }) // prettier-ignore
    if (wanted) keep.set(own.name, wanted)
  }
  return { ...change, keep }
}

/** A change that says of every block what it keeps, and of every parameter that comes from another block which it is. */
export interface ResolvedChange {
  readonly change: Change
  /** The parameter that stands in the place of one, by its name. */
  readonly source: (name: string) => string
}

/** Blocks that use another's weights, down to parameters: all but their norms. Throws BAD_OPTION for blocks that there are not or that cannot. */
export const resolveShares = (model: Model, change: Change): ResolvedChange => {
  const sharings = sharingsOf(model, change)
  if (sharings.length === 0) return { change, source: name => name }
  const sources = new Map(
    sharings.flatMap(({ user, owner }) =>
      user.parameters.flatMap((name, i) => (user.norms?.includes(name) ? [] : [[name, owner.parameters[i]] as const])),
    ),
  )
  return { change: alike(model, change, sharings), source: name => sources.get(name) ?? name }
}
