import {
  callText,
  checkOptions,
  described,
  recorded,
  type Arguments,
  type DescriptionTexts,
  type OptionTable,
  type Rng,
  type ValuesOf,
} from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import type { Collective } from './collective/collective.js'

/**
 * F(z) = 0, or a variational inequality on a set, with F the mean of what all workers have. For the saddle points of f(x, y), least in x and largest in y,
 * z = (x, y) and F = (∇ₓ f, −∇ᵧ f).
 */
export interface SaddleProblem {
  /** This worker's Fₘ(z), (n), by the data of that step. */
  operator(z: Float32Array, step: number): Float32Array | Promise<Float32Array>
  /** The same on all workers, (n). */
  readonly start: Float32Array
  readonly steps: number
  /** Brings z back into the set, in its place: a projection, or another proximal step. */
  project?(z: Float32Array): void
  readonly rng: Rng
  readonly signal?: AbortSignal
  /** Behind each step, with z as it is then, which is lent. */
  onStep?(step: number, z: Float32Array): void
}

/** Finds where F is 0. */
export interface Solver {
  /** With its options, and the number of workers. */
  readonly name: string
  /** z behind the last step, the same on all workers. Throws PEERS_DIFFER in the first step, NOT_FINITE on all where the operator of one is no number. */
  solve(problem: SaddleProblem): Promise<Float32Array>
}

export interface SolverDefinition<O extends OptionTable> extends DescriptionTexts {
  readonly name: string
  readonly options: O
  readonly check?: (options: ValuesOf<O>) => readonly [what: string, remedy: string] | undefined
  readonly make: (peers: Collective, options: ValuesOf<O>, name: string) => Solver['solve']
}

const checkSteps = (name: string, steps: number): void => {
  if (!(Number.isInteger(steps) && steps >= 1))
    throw new CompressionError('BAD_OPTION', `${name} got ${steps} steps.`, 'Pass a positive integer.', { steps })
}

/** Declares a solver: options once, checked when the factory is called with the workers; throws BAD_OPTION there. */
export const defineSolver = <const O extends OptionTable>(definition: SolverDefinition<O>) => {
  const { name, options: table, check, make } = definition
  const bind = (peers: Collective, ...[given]: Arguments<O>): Solver => {
    const options = checkOptions(name, table, given ?? {})
    const problem = check?.(options)
    if (problem) throw new CompressionError('BAD_OPTION', `${name}: ${problem[0]}`, problem[1], { owner: name })
    const called = `${callText({ name, options: recorded(options) })} of ${peers.size} workers`
    const solve = make(peers, options, called)
    return Object.freeze<Solver>({
      name: called,
      solve: async asked => {
        checkSteps(name, asked.steps)
        return solve(asked)
      },
    })
  }
  return described(bind, 'solver', definition, table)
}
