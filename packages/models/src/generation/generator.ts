import type { GraphModel, GraphText } from '../imported/graph-model.js'
import type { LanguageModel } from '../networks/language-model.js'

/** A decoder that was imported as a graph, with what makes text of it. */
export type TextGraph = GraphModel & { readonly text: GraphText }

/** What text is generated from. */
export type Generator = LanguageModel | TextGraph

export const isTextGraph = (model: Generator): model is TextGraph => model.family === 'graph'
