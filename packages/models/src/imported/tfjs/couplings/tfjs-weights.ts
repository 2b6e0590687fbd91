import { sizeOf, toInt32, type Dense, type ParameterStore, type Shape } from '@tersor/tensor'
import type { Manifest } from '@tersor/formats/tfjs'

/** Most elements of a constant that shapes, paddings and axes have. */
const FEW = 64

/** A manifest of more than these is no network's: the others are not read, and what they say is not known. */
const MOST_CONSTANTS = 4096

/** A weight of a manifest as couplings see it. */
export interface TfjsWeight {
  readonly name: string
  readonly shape: Shape
  readonly isFloat: boolean
}

/** The weights of a network, and what its small whole constants say. */
export interface TfjsWeights {
  has(name: string): boolean
  all(): readonly TfjsWeight[]
  numbers(name: string | undefined): readonly number[] | undefined
}

/** Names of constants of few whole numbers: what a graph says of extents and axes. */
const smallConstants = ({ weights }: Manifest): readonly string[] =>
  [...weights.values()]
    .filter(({ dtype, shape }) => dtype === 'int32' && sizeOf(shape) <= FEW)
    .slice(0, MOST_CONSTANTS)
    .map(({ name }) => name)

/** Reads them, by name. */
export const readConstants = async (manifest: Manifest, params: ParameterStore): Promise<ReadonlyMap<string, readonly number[]>> => {
  const read = async (name: string) => [name, [...toInt32((await params.read(name)) as Dense)]] as const
  return new Map(await Promise.all(smallConstants(manifest).map(read)))
}

export const tfjsWeights = ({ weights }: Manifest, constants: ReadonlyMap<string, readonly number[]>): TfjsWeights => ({
  has: name => weights.has(name),
  all: () => [...weights.values()].map(({ name, shape, dtype }) => ({ name, shape, isFloat: dtype === 'float32' })),
  numbers: name => (name === undefined ? undefined : constants.get(name)),
})
