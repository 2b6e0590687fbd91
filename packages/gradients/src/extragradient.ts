import { positive, required, type ExchangeStep } from '@tersor/core'
import { addScaled } from '@tersor/kernels/vectors'
import { averageOperator } from './anchored.js'
import { defineSolver } from './define-solver.js'
import { greet } from './greeting.js'

/**
 * Extragradient: each step looks where it would go and goes by what it finds there, z½ = prox(z − γ F(z)), z ← prox(z − γ F(z½)), with F the mean over
 * all workers, sent as it is. γ below 1 / L. 2 · 4 n bytes a step around a ring. Throws BAD_OPTION.
 * Nemirovski 2004, https://doi.org/10.1137/S1052623403425629; first Korpelevich 1976
 */
export const extragradient = defineSolver({
  name: 'extragradient',
  summary: 'looks where a step would go, and goes by what it finds there',
  paper: { title: 'Prox-Method with Rate of Convergence O(1/t) for Variational Inequalities', authors: 'Nemirovski', year: 2004, url: 'https://doi.org/10.1137/S1052623403425629' }, // prettier-ignore
  options: { rate: required(positive({ doc: 'γ, below 1 / L of an operator with Lipschitz constant L' })) },
  make:
    (peers, { rate }, name) =>
    async ({ operator, start, steps, rng, signal, project = () => {}, onStep }) => {
      const asked: ExchangeStep = { step: 0, loss: 0, gradients: [{ name: 'z', shape: [start.length], values: start, state: {} }], rng }
      await greet(peers, name, asked)
      const z = start.slice()
      const moved = async (at: Float32Array, step: number): Promise<Float32Array> => {
        const mean = Float32Array.from(await operator(at, step))
        await averageOperator(peers, mean, step)
        const next = z.slice()
        addScaled(next, mean, -rate)
        project(next)
        return next
      }
      for (let step = 0; step < steps; step++) {
        signal?.throwIfAborted()
        z.set(await moved(await moved(z, step), step))
        onStep?.(step, z)
      }
      return z
    },
})
