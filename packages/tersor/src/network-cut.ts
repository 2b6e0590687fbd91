import { sitesOf, type Model } from '@tersor/core'
import { multiplyAddsOf } from '@tersor/evaluation/multiply-adds'
import { sizeOfModel } from '@tersor/evaluation/size-of-model'

interface BeforeAfter {
  readonly before: number
  readonly after: number
}

/** What of a network is gone: a smaller one of its kind remains. */
export interface NetworkCut {
  readonly parameters: BeforeAfter
  /** Of weights with one position, such as a token, where that is known. */
  readonly multiplyAdds?: BeforeAfter
}

/** What steps cut of a network, `sites` by `cutSites`; undefined where all units and blocks stay. */
export const networkCut = (model: Model, small: Model, sites: ReadonlySet<string>): NetworkCut | undefined => {
  if (sites.size === 0 && small.stages.length >= model.stages.length) return undefined
  const parameters = { before: sizeOfModel(model).parameters, after: sizeOfModel(small).parameters }
  const [before, after] = [multiplyAddsOf(model), multiplyAddsOf(small)]
  return { parameters, ...(before === undefined || after === undefined ? {} : { multiplyAdds: { before, after } }) }
}

/** Sites that are gone or whose weight has another shape. */
export const cutSites = (model: Model, small: Model): ReadonlySet<string> => {
  const shapes = new Map(sitesOf(small).map(({ name, weight }) => [name, `${small.params.info(weight).shape}`]))
  return new Set(
    sitesOf(model)
      .filter(({ name, weight }) => shapes.get(name) !== `${model.params.info(weight).shape}`)
      .map(({ name }) => name),
  )
}

const inMillions = (count: number): string =>
  count >= 1e9 ? `${(count / 1e9).toFixed(2)} billion` : count >= 1e6 ? `${(count / 1e6).toFixed(2)} million` : count.toLocaleString('en')

/** "3.41 million → 2.62 million parameters, 3.41 million → 2.62 million multiply-adds a position". */
export const cutText = ({ parameters, multiplyAdds }: NetworkCut): string => {
  const text = ({ before, after }: BeforeAfter, what: string): string => `${inMillions(before)} → ${inMillions(after)} ${what}`
  return [text(parameters, 'parameters'), ...(multiplyAdds ? [text(multiplyAdds, 'multiply-adds a position')] : [])].join(', ')
}
