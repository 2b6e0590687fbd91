import { CompressionError } from '@tersor/tensor'
import type { Rng } from '../run/rng.js'

/** The values that each gene may take, by its name. */
export type Genes = Readonly<Record<string, readonly number[]>>
/** One value of each. */
export type Genome<G extends Genes> = { readonly [K in keyof G]: number }

export interface EvolveOptions<G extends Genes> {
  readonly genes: G
  /** The higher, the better; a function of the genome alone. */
  readonly fitness: (genome: Genome<G>) => number | Promise<number>
  /** Genomes that may be at all; all where absent. */
  readonly accepts?: (genome: Genome<G>) => boolean
  /** How many live on from generation to generation; 50 where absent. */
  readonly population?: number
  /** 100 where absent. */
  readonly generations?: number
  /** How often two parents exchange genes; they mutate otherwise. 0.6 where absent. */
  readonly crossover?: number
  readonly rng: Rng
  readonly signal?: AbortSignal
}

export interface Evolved<G extends Genes> {
  readonly genome: Genome<G>
  readonly fitness: number
}

/** Tries to make a genome that is new and may be; where a space is nearly used up, there are fewer children. */
const TRIES = 200

const check = <G extends Genes>({ genes, population = 50, generations = 100, crossover = 0.6 }: EvolveOptions<G>): void => {
  const refuse = (what: string, remedy: string): never => {
    throw new CompressionError('BAD_OPTION', `evolve: ${what}`, remedy)
  }
  const empty = Object.keys(genes).find(name => genes[name].length === 0)
  if (empty !== undefined || Object.keys(genes).length === 0)
    refuse(
      empty === undefined ? 'there are no genes.' : `the gene "${empty}" has no values.`,
      'Give each gene the values that it may take.',
    )
  if (!Number.isInteger(population) || population < 2) refuse(`population is ${population}.`, 'Pass an integer of at least 2.')
  if (!Number.isInteger(generations) || generations < 0) refuse(`generations is ${generations}.`, 'Pass an integer of at least 0.')
  if (!(crossover >= 0 && crossover <= 1)) refuse(`crossover is ${crossover}.`, 'Pass a number from 0 to 1.')
}

/** Draws, mutates and crosses genomes, each of which comes once. */
const nursery = <G extends Genes>({ genes, accepts = () => true, rng }: EvolveOptions<G>) => {
  const names = Object.keys(genes).sort()
  const known = new Set<string>()
  const draw = (name: string): number => genes[name][rng.integer(genes[name].length)]
  const make = (gene: (name: string, at: number) => number): Genome<G> =>
    Object.fromEntries(names.map((name, at) => [name, gene(name, at)])) as Genome<G>
  /** All genes from a place on are drawn anew. */
  const mutated = (genome: Genome<G>): Genome<G> => {
    const from = rng.integer(names.length)
    return make((name, at) => (at < from ? genome[name] : draw(name)))
  }
  return {
    drawn: () => make(draw),
    mutated,
    /** The genes of the one up to a place, and of the other behind it; and the other way round. */
    crossed: (a: Genome<G>, b: Genome<G>): readonly Genome<G>[] => {
      const cut = 1 + rng.integer(Math.max(1, names.length - 1))
      return [make((name, at) => (at < cut ? a : b)[name]), make((name, at) => (at < cut ? b : a)[name])]
    },
    /** The genome, or a mutant of it that is new and may be; undefined where none is found. */
    admitted: (genome: Genome<G>): Genome<G> | undefined => {
      let next = genome
      for (let tries = 0; tries < TRIES; tries++, next = mutated(next)) {
        const key = names.map(name => next[name]).join()
        if (known.has(key) || !accepts(next)) continue
        known.add(key)
        return next
      }
      return undefined
    },
  }
}

/**
 * Searches for values of some genes by evolution: parents are drawn at random, exchange their genes behind a place or are mutated from a place
 * on, and the best of parents and children live on. Gives those that lived to the end, the best first; the same seed gives the same.
 * Throws BAD_OPTION, NOT_FOUND where no genome may be, NOT_FINITE for a fitness that is no number, and the signal's reason.
 * Holland 1975, "Adaptation in Natural and Artificial Systems"
 */
export const evolve = async <G extends Genes>(options: EvolveOptions<G>): Promise<readonly Evolved<G>[]> => {
  check(options)
  const { fitness, population = 50, generations = 100, crossover = 0.6, rng, signal } = options
  const { drawn, mutated, crossed, admitted } = nursery(options)
  const judged = async (genomes: readonly (Genome<G> | undefined)[]): Promise<Evolved<G>[]> => {
    const all: Evolved<G>[] = []
    for (const genome of genomes) {
      if (!genome) continue
      signal?.throwIfAborted()
      const value = await fitness(genome)
      if (Number.isNaN(value))
        throw new CompressionError('NOT_FINITE', `The fitness of ${JSON.stringify(genome)} is NaN.`, 'Let it be a number for every genome that is accepted.') // prettier-ignore
      all.push({ genome, fitness: value })
    }
    return all
  }
  let living = await judged(Array.from({ length: population }, () => admitted(drawn())))
  if (living.length === 0)
    throw new CompressionError('NOT_FOUND', `evolve found no genome that is accepted in ${population * TRIES} tries.`, 'Widen the genes, or accept more.') // prettier-ignore
  for (let generation = 0; generation < generations; generation++) {
    const children: (Genome<G> | undefined)[] = []
    while (children.length < population) {
      const [a, b] = [living[rng.integer(living.length)].genome, living[rng.integer(living.length)].genome]
      const pair = rng.uniform() < crossover ? crossed(a, b) : [mutated(a), mutated(b)]
      children.push(...pair.map(admitted))
    }
    living = [...living, ...(await judged(children))].sort((a, b) => b.fitness - a.fitness).slice(0, population)
  }
  return living.sort((a, b) => b.fitness - a.fitness)
}
