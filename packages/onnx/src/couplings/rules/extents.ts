import { numberOf, numbersOf } from '../../file/attributes.js'
import type { NodeProto } from '../../file/schema/onnx-ml_pb.js'
import { hasUnits, placeOf, type Extent } from '@tersor/models/internal/imported/couplings/axes'
import type { Scope } from '../scope.js'

/** How an operator moves extents; undefined where it does anything else with them. */
type ExtentRule = (node: NodeProto, scope: Scope) => readonly Extent[] | undefined

/** Extents of a value, or numbers that are constants. */
const extentsOf = (name: string | undefined, scope: Scope): readonly Extent[] | undefined => scope.extents(name) ?? scope.numbers(name)

const shape: ExtentRule = (node, scope) => {
  const axes = scope.shapeOf(node.input[0]) ? undefined : scope.value(node.input[0])
  const [start, end] = [numberOf(node, 'start', 0), numberOf(node, 'end', axes?.length ?? 0)]
  return axes?.slice(start, end).map(axis => (!hasUnits(axis) && axis.extent !== undefined ? axis.extent : axis))
}

const same: ExtentRule = ({ input: [x] }, scope) => scope.extents(x)

const gather: ExtentRule = ({ input: [x, places] }, scope) => {
  const extents = scope.extents(x)
  const chosen = extents && scope.numbers(places)?.map(place => placeOf(place, extents.length))
  return chosen?.every(place => place !== undefined) ? chosen.map(place => extents![place]) : undefined
}

const slice: ExtentRule = (node, scope) => {
  const extents = scope.extents(node.input[0])
  const [start, end, steps] = [
    numbersOf(node, 'starts') ?? scope.numbers(node.input[1]),
    numbersOf(node, 'ends') ?? scope.numbers(node.input[2]),
    node.input[4] ? scope.numbers(node.input[4]) : [1],
  ]
  return extents && start?.length === 1 && end?.length === 1 && steps?.[0] === 1 ? extents.slice(start[0], end[0]) : undefined
}

const concat: ExtentRule = ({ input }, scope) => {
  const all = input.map(name => extentsOf(name, scope))
  return input.some(name => scope.extents(name)) && all.every(each => each !== undefined) ? all.flat() : undefined
}

/** Operators that ask for extents and move them, as exporters write a view of as many rows as there were. */
export const EXTENTS: Readonly<Record<string, ExtentRule>> = {
  ...{ Shape: shape, Gather: gather, Slice: slice, Concat: concat },
  ...{ Cast: same, Identity: same, Squeeze: same, Unsqueeze: same },
}
