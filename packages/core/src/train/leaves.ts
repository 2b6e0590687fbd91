import { CompressionError, type Parameter } from '@tersor/tensor'
import { held, isFloat, leaf, tree, type TrainedNode } from './node.js'

/** How parameters are trained that no parametrization makes anew: by their own numbers. */
export interface Treatment {
  readonly name: string
  /** Which parameters, by name with * for any run of characters; all where absent. */
  readonly only?: string
  node(name: string, parameter: Parameter): TrainedNode
}

/** Whether a leaf is trained, by the name of its part; that of a plain parameter is "". */
type Wanted = (part: string) => boolean

const nodeOf = (name: string, parameter: Parameter, wanted: Wanted, part = ''): TrainedNode => {
  if (parameter.kind === 'encoded') {
    const { parts } = parameter
    if (!hasWanted(parameter, wanted)) return held(parameter)
    return tree(parameter, Object.entries(parts).map(([each, value]) => [each, nodeOf(`${name}.${each}`, value, wanted, each)])) // prettier-ignore
  }
  return isFloat(parameter) && wanted(part) ? leaf(name, parameter) : held(parameter)
}

/** Whether a gradient could move something in a tree. */
const hasWanted = (parameter: Parameter, wanted: Wanted, part = ''): boolean =>
  parameter.kind === 'dense'
    ? isFloat(parameter) && wanted(part)
    : Object.entries(parameter.parts).some(([each, value]) => hasWanted(value, wanted, each))

/** Whether a tree has floats at all. */
export const isTrainable = (parameter: Parameter): boolean => hasWanted(parameter, () => true)

/**
 * Trains a compressed weight through its own codec, by its floats: scales, codebooks, factors, values that a mask kept. Whole numbers, such
 * as codes and masks, are written back bit for bit. With `parts` only those of these names: `leaves({ parts: ['scale'] })`.
 * Throws BAD_OPTION for an empty list.
 */
export const leaves = ({ parts, only }: { readonly parts?: readonly string[]; readonly only?: string } = {}): Treatment => {
  if (parts?.length === 0) throw new CompressionError('BAD_OPTION', 'leaves got no parts.', "Name some, such as parts: ['scale'], or leave it out for all.") // prettier-ignore
  return Object.freeze<Treatment>({
    name: 'leaves',
    ...(only === undefined ? {} : { only }),
    node: (name, parameter) => nodeOf(name, parameter, parts ? part => parts.includes(part) : () => true),
  })
}
