import type { Reader } from './found-weight.js'
import { readCast } from './read-cast.js'
import { readDequantized } from './read-dequantized.js'
import { readNBits } from './read-n-bits.js'

const READERS: Readonly<Record<string, Reader>> = {
  ':DequantizeLinear': readDequantized,
  ':Cast': readCast,
  'com.microsoft:DequantizeLinear': readDequantized,
  'com.microsoft:MatMulNBits': readNBits,
}

/** Operators that hold a weight in parts, by "domain:operator". */
export const READ_FORMS: readonly string[] = Object.freeze(Object.keys(READERS))

/** The weight of a node that stores it in one of the forms of ONNX. */
export const readWeight: Reader = (node, find, graph) => {
  const key = `${node.domain}:${node.opType}`
  return Object.hasOwn(READERS, key) ? READERS[key](node, find, graph) : undefined
}
