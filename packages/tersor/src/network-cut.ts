import * as tf from '@tensorflow/tfjs-core'
import { sitesOf, type Model } from '@tersor/core'
import { multiplyAddsOf } from '@tersor/evaluation/multiply-adds'
import { multiplyAddsFor } from '@tersor/evaluation/multiply-adds-for'
import { sizeOfModel } from '@tersor/evaluation/size-of-model'
import type { OpenedModel } from '@tersor/models/open-model'
import { sizeOf } from '@tersor/tensor'

interface BeforeAfter {
  readonly before: number
  readonly after: number
}

/** What of a network is gone: a smaller one of its kind remains. */
export interface NetworkCut {
  readonly parameters: BeforeAfter
  /** Of weights with one position, such as a token, or with one input, such as an image; where that is known. */
  readonly multiplyAdds?: BeforeAfter & { readonly each: 'position' | 'input' }
}

/** Zeros of the shape that one input has, where the network says it. */
const oneInput = (model: OpenedModel): tf.Tensor | undefined => {
  if (model.family === 'image') return tf.zeros([1, ...model.imageShape])
  if (model.family !== 'graph' || model.inputs.length !== 1) return undefined
  const [{ shape, dtype }] = model.inputs
  const [, ...extents] = shape ?? []
  if (extents.length === 0 || dtype !== 'float32' || !extents.every(extent => typeof extent === 'number' && extent > 0)) return undefined
  return tf.zeros([1, ...(extents as number[])])
}

const multiplyAddsOfBoth = async (model: OpenedModel, small: Model): Promise<NetworkCut['multiplyAdds']> => {
  const [before, after] = model.family === 'graph' ? [] : [multiplyAddsOf(model), multiplyAddsOf(small)]
  if (before !== undefined && after !== undefined) return { before, after, each: 'position' }
  const input = oneInput(model)
  if (!input) return undefined
  try {
    return { before: await multiplyAddsFor(model, input), after: await multiplyAddsFor(small, input), each: 'input' }
  } catch {
    return undefined // zeros need not suit a graph, and what was written is right all the same
  } finally {
    input.dispose()
  }
}

/** What steps cut of a network; undefined where all units and blocks stay. */
export const networkCut = async (model: OpenedModel, small: Model): Promise<NetworkCut | undefined> => {
  if (cutSites(model, small).size === 0 && small.stages.length >= model.stages.length) return undefined
  const parameters = { before: sizeOfModel(model).parameters, after: sizeOfModel(small).parameters }
  const multiplyAdds = await multiplyAddsOfBoth(model, small)
  return { parameters, ...(multiplyAdds ? { multiplyAdds } : {}) }
}

/** Sites that are gone or whose weight has lost numbers; a format may hold the same ones in another order of axes. */
export const cutSites = (model: Model, small: Model): ReadonlySet<string> => {
  const sizes = new Map(sitesOf(small).map(({ name, weight }) => [name, sizeOf(small.params.info(weight).shape)]))
  return new Set(
    sitesOf(model)
      .filter(({ name, weight }) => sizes.get(name) !== sizeOf(model.params.info(weight).shape))
      .map(({ name }) => name),
  )
}

const inMillions = (count: number): string =>
  count >= 1e9 ? `${(count / 1e9).toFixed(2)} billion` : count >= 1e6 ? `${(count / 1e6).toFixed(2)} million` : count.toLocaleString('en')

/** "3.41 million → 2.62 million parameters, 3.41 million → 2.62 million multiply-adds a position". */
export const cutText = ({ parameters, multiplyAdds }: NetworkCut): string => {
  const text = ({ before, after }: BeforeAfter, what: string): string => `${inMillions(before)} → ${inMillions(after)} ${what}`
  return [
    text(parameters, 'parameters'),
    ...(multiplyAdds ? [text(multiplyAdds, multiplyAdds.each === 'position' ? 'multiply-adds a position' : 'multiply-adds an input')] : []),
  ].join(', ')
}
