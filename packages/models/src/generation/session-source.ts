import { loadModel, loadPacked, type Env, type LoadedWeights, type Product, type Weights } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { isTextGraph, type Generator } from './generator.js'
import { graphDecodable, graphSessionSource } from './graph-session.js'
import type { Decodable, SessionOptions, SessionSource, Shared } from './session-options.js'
import { cachedSteps } from './token-steps.js'
import type { LanguageModel } from '../networks/language-model.js'

/** What stages need of weights. */
export const envOf = ({ weights, product }: { readonly weights: Weights; readonly product?: Product | undefined }): Env =>
  product ? { weights, product } : { weights }

const noCodes = (bits: number): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `cacheBits is ${bits}, and stages keep keys and values in full.`,
    'Leave it out, or open an ONNX graph with fused attention.',
    { bits },
  )

/** The weights of a network, loaded where the caller has not. */
export const loadedWeights = async (model: LanguageModel, options: SessionOptions): Promise<{ readonly env: Env; dispose(): void }> => {
  const { weights, product, form = 'packed', activations, signal } = options
  const packed = { ...(signal && { signal }), ...(activations && { activations }) }
  const load = () => (form === 'dense' ? loadModel(model, signal) : loadPacked(model, packed))
  const loaded: LoadedWeights | undefined = weights ? undefined : await load()
  return { env: envOf(loaded ?? { weights: weights!, product }), dispose: () => loaded?.dispose() }
}

/** What runs a network. */
const stagesSource = async (model: LanguageModel, options: SessionOptions): Promise<SessionSource> => {
  if (options.cacheBits !== undefined) throw noCodes(options.cacheBits)
  const { env, dispose } = await loadedWeights(model, options)
  return { model, stepsOver: (caches, count) => cachedSteps(model, env, caches, count), dispose }
}

/** What a model says to sessions; throws UNSUPPORTED for a graph that remembers nothing. */
export const decodableOf = (model: Generator): Decodable => (isTextGraph(model) ? graphDecodable(model) : model)

/** What runs the sessions over a model. */
export const sharedSource = async (model: Generator, options: SessionOptions): Promise<Shared> => ({
  ...(isTextGraph(model) ? await graphSessionSource(model, options) : await stagesSource(model, options)),
  users: 0,
})
