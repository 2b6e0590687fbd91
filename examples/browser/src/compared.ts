import { continueBoth } from './comparison.js'
import type { Made } from './compression.js'
import type { Answer, OutputDifference } from './messages.js'
import type { Opened } from './opened.js'

interface Continued {
  readonly prompt: string
  readonly tokens: number
  readonly signal: AbortSignal
}

/** What can be asked of a model and its result, side by side. */
export const comparisonOf = ({ model, fileSystem, path }: Opened, made: Made) => ({
  texts: (asked: Continued, tell: (answer: Answer) => void): Promise<void> =>
    continueBoth({ before: model, after: made.small }, asked, tell),
  outputs: async (): Promise<readonly OutputDifference[]> => {
    if (!__WITH_RUNTIME__ || model.family !== 'graph') return []
    const { compareOutputs } = await import('./outputs.js')
    return compareOutputs(model.inputs, fileSystem.blob(path), fileSystem.blob(made.path))
  },
})
