import type { NodeProto } from './schema/onnx-ml_pb.js'

const find = ({ attribute }: NodeProto, name: string) => attribute.find(each => each.name === name)

/** A whole number among the attributes of a node. */
export const numberOf = (node: NodeProto, name: string, otherwise: number): number => {
  const found = find(node, name)
  return found ? Number(found.i) : otherwise
}

export const floatOf = (node: NodeProto, name: string, otherwise: number): number => find(node, name)?.f ?? otherwise

export const numbersOf = (node: NodeProto, name: string): readonly number[] | undefined => find(node, name)?.ints.map(Number)

export const textOf = (node: NodeProto, name: string): string => new TextDecoder().decode(find(node, name)?.s ?? new Uint8Array(0))
