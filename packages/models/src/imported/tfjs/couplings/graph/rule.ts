import type { Axes, Extent } from '../../../couplings/axes.js'
import type { TfjsScope } from '../scope.js'
import type { GraphNode } from './attributes.js'

/** How an operator moves labels: what its outputs are, or why its inputs stay whole. */
export type Rule = (node: GraphNode, scope: TfjsScope) => readonly (Axes | undefined)[] | string

/** How an operator moves extents; undefined where it does anything else with them. */
export type ExtentRule = (node: GraphNode, scope: TfjsScope) => readonly Extent[] | undefined

export const UNKNOWN = 'its input has no known axes'
