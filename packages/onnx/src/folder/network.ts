import type { Site } from '@tersor/core'
import type { Stored, ValueInfo } from '../file.js'
import type { Shape } from '@tersor/tensor'
import { biasOf } from '@tersor/models/internal/networks/layers'
import type { ModelFiles } from '@tersor/models/raw-config'
import type { Operators } from './operators.js'

/** The values of parameters in the graph, by their names. */
export interface Values {
  /** Of norms and biases. */
  vector(name: string): string
  matrix(name: string): Stored
}

export interface GraphParameter {
  readonly name: string
  readonly shape: Shape
  /** Whether rows are looked up in it, so that it must stand as it is. */
  readonly table?: boolean
}

/** What a graph takes and gives. */
export interface GraphEnds {
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
}

/** A network that is written as a graph. */
export interface GraphNetwork {
  readonly architecture: string
  /** All that the graph uses; others are left out. */
  readonly parameters: readonly GraphParameter[]
  /** Whether it takes keys and values of tokens before. */
  readonly remembers: boolean
  /** Files of its own beside the graph. */
  readonly files?: ModelFiles
  build(ops: Operators, values: Values): GraphEnds
}

/** x · Wᵀ + bias. */
export const linear = (ops: Operators, values: Values, x: string, site: Site, bias = true): string => {
  const product = values.matrix(site.weight).product(ops.graph, x)
  return bias ? ops.add(product, values.vector(biasOf(site))) : product
}

/** Token ids or what belongs to each of them; transformers.js finds the batch by the name of its extent. */
export const idsValue = (name: string, length = 'sequence_length'): ValueInfo => ({ name, dtype: 'i64', shape: ['batch_size', length] })

/** Gives a value its name as an output, in 32 bits. */
export const giveOut = ({ graph, float }: Operators, value: string, name: string): void =>
  graph.rename(float === 'f32' ? graph.op('Identity', [value]) : graph.cast(value, 'f32'), name)
