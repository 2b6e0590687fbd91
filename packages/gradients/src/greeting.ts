import { VERSION, type ExchangeStep } from '@tersor/core'
import { CompressionError, finiteRange } from '@tersor/tensor'
import type { Collective } from './collective/collective.js'

/** What must be the same everywhere, in the order in which a difference is told. */
interface Greeting {
  readonly version: string
  readonly exchange: string
  readonly seed: string
  readonly parameters: string
  readonly weights: string
}

/** The first parameter that two lists do not share, or their numbers. */
const firstOther = (own: string, other: string): readonly [string, string] => {
  const [mine, theirs] = [own.split('\n'), other.split('\n')]
  const at = Math.max(0, mine.findIndex((each, i) => each !== theirs[i])) // prettier-ignore
  return [mine[at] ?? 'none', theirs[at] ?? 'none']
}

const differ = (what: keyof Greeting, rank: number, own: string, other: string): CompressionError => {
  const isList = what === 'parameters' || what === 'weights'
  const [mine, theirs] = isList ? firstOther(own, other) : [own, other]
  const has = what === 'weights' ? 'begins with other weights' : `has another ${what === 'parameters' ? 'model' : what}`
  return new CompressionError('PEERS_DIFFER', `Worker ${rank} ${has}: ${theirs}, where it is ${mine} here.`, 'Run the same program with the same model, dtype, seed, codec and version on all workers.', { what, rank }) // prettier-ignore
}

/** Workers tell each other what they train, once. Throws PEERS_DIFFER on every worker that finds another one. */
export const greet = async (peers: Collective, exchange: string, { rng, gradients }: ExchangeStep): Promise<void> => {
  const parameters = gradients.map(({ name, shape }) => `${name} [${shape}]`).join('\n')
  const weights = gradients.map(({ name, begins = '' }) => `${name} ${begins}`).join('\n')
  const own: Greeting = { version: VERSION, exchange, seed: String(rng.seed), parameters, weights }
  const all = await peers.gather(new TextEncoder().encode(JSON.stringify(own)))
  all.forEach((bytes, rank) => {
    const other = JSON.parse(new TextDecoder().decode(bytes)) as Greeting
    for (const what of ['version', 'exchange', 'seed', 'parameters', 'weights'] as const)
      if (own[what] !== other[what]) throw differ(what, rank, own[what], other[what])
  })
}

/** The mean loss; throws NOT_FINITE on all workers, naming the first whose loss or gradients are no numbers. */
export const meetOnLoss = async (peers: Collective, { step, loss, gradients }: ExchangeStep): Promise<number> => {
  const bad = gradients.find(({ values }) => finiteRange(values).bad >= 0)
  const told = Float64Array.of(loss, bad ? NaN : 0)
  const all = await peers.gather(new Uint8Array(told.buffer))
  const losses = all.map(bytes => new Float64Array(bytes!.slice().buffer))
  const rank = losses.findIndex(([value, flag]) => !Number.isFinite(value) || Number.isNaN(flag))
  if (rank < 0) return losses.reduce((sum, [value]) => sum + value, 0) / peers.size
  throw notFinite(step, rank, losses[rank][0])
}

/** Whose loss or gradients are no numbers. */
export const notFinite = (step: number, rank: number, loss: number): CompressionError => {
  const what = Number.isFinite(loss) ? 'gradients are no numbers' : `loss is ${loss}`
  return new CompressionError('NOT_FINITE', `In step ${step + 1} the ${what} on worker ${rank}.`, 'Lower the learning rate, or look at the data of that worker.', { step, rank }) // prettier-ignore
}
