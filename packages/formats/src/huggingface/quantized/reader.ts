import {
  notFound,
  sizeOf,
  type Dense,
  type Encoded,
  type ParameterInfo,
  type ParameterStore,
  type ReadOptions,
  type Shape,
} from '@tersor/tensor'
import { badFile } from '../../files/bad-file.js'

/** A quantized layer of a folder before it is read. */
export interface QuantizedLayer {
  /** Of the weight, (outputs, inputs). */
  readonly shape: Shape
  /** Of the tree; affine where absent. */
  readonly codec?: string
  /** Suffixes of its tensors. */
  readonly parts: readonly string[]
  /** Suffixes of tensors that say how other runtimes round its inputs: not shown where they are there. */
  readonly beside?: readonly string[]
  read(tensor: (suffix: string) => Promise<Dense>): Promise<Encoded>
}

/** How runtimes round the inputs of a layer to a grid of their own. Left among the parameters, they would be taken for one of ours. */
export const INPUT_GRID: readonly string[] = ['input_scale', 'input_zero_point', 'input_global_scale', 'activation_scale']

/** A tensor of the file that must be dense; throws BAD_FILE. */
export const denseOf = async (store: ParameterStore, name: string, options?: ReadOptions): Promise<Dense> => {
  const parameter = await store.read(name, options)
  if (parameter.kind === 'dense') return parameter
  throw badFile(`"${name}" is ${parameter.codec.name}, where a plain tensor must stand.`)
}

/** A store that shows quantized layers as trees under the name of their weight; everything else goes through. */
export const quantizedStore = (inner: ParameterStore, layers: ReadonlyMap<string, QuantizedLayer>): ParameterStore => {
  const trees = new Map<string, { readonly base: string; readonly layer: QuantizedLayer }>(
    [...layers].map(([base, layer]) => [`${base}.weight`, { base, layer }]),
  )
  const hidden = new Set([...layers].flatMap(([base, { parts, beside = [] }]) => [...parts, ...beside].map(part => `${base}.${part}`)))
  const names = Object.freeze([...inner.names().filter(name => !hidden.has(name) && !trees.has(name)), ...trees.keys()])
  const bytesOf = (base: string, parts: readonly string[]) => parts.reduce((sum, part) => sum + inner.info(`${base}.${part}`).byteLength, 0)
  const refuseHidden = (name: string): void => {
    if (hidden.has(name) && !trees.has(name)) throw notFound(name, names)
  }
  return Object.freeze({
    names: () => names,
    info: (name: string): ParameterInfo => {
      refuseHidden(name)
      const tree = trees.get(name)
      if (!tree) return inner.info(name)
      return { shape: tree.layer.shape, byteLength: bytesOf(tree.base, tree.layer.parts), codec: tree.layer.codec ?? 'affine' }
    },
    read: async (name: string, options?: ReadOptions) => {
      refuseHidden(name)
      const tree = trees.get(name)
      return tree ? tree.layer.read(suffix => denseOf(inner, `${tree.base}.${suffix}`, options)) : inner.read(name, options)
    },
    close: async () => inner.close?.(),
  })
}

/** Whether a store has a tensor: by its map of names, since a search through the list would be one through a hundred thousand for each layer. */
export const has = (store: ParameterStore, name: string): boolean => {
  try {
    return store.info(name) !== undefined
  } catch {
    return false
  }
}

/** The bases of all names that end in a suffix. */
export const basesOf = (store: ParameterStore, suffix: string): readonly string[] =>
  store
    .names()
    .filter(name => name.endsWith(`.${suffix}`))
    .map(name => name.slice(0, -suffix.length - 1))

/** Holds a tensor against the shape that it must have; throws BAD_FILE. */
export const expectShape = (store: ParameterStore, name: string, expected: Shape): void => {
  if (!has(store, name)) throw badFile(`"${name}" is missing.`)
  const { shape, dtype } = store.info(name)
  if (shape.length === expected.length && shape.every((extent, axis) => extent === expected[axis])) return
  throw badFile(`"${name}" is ${dtype ?? 'a tree'} [${shape.join(', ')}], expected [${expected.join(', ')}].`)
}

/** Holds a tensor against its dtype; throws BAD_FILE. */
export const expectDType = (store: ParameterStore, name: string, expected: readonly string[]): void => {
  const { dtype } = store.info(name)
  if (dtype === undefined || !expected.includes(dtype))
    throw badFile(`"${name}" is ${dtype ?? 'a tree'}, expected ${expected.join(' or ')}.`)
}

/** Height and width of a tensor; throws BAD_FILE where it is missing or has other axes. */
export const matrixShape = (store: ParameterStore, name: string): readonly [number, number] => {
  if (!has(store, name)) throw badFile(`"${name}" is missing.`)
  const { shape } = store.info(name)
  if (shape.length !== 2 || sizeOf(shape) === 0) throw badFile(`"${name}" is [${shape.join(', ')}], expected two axes.`)
  return [shape[0], shape[1]]
}

/** The layers whose inputs other runtimes round, by what stands beside them. */
export const roundedInputs = (store: ParameterStore, layers: ReadonlyMap<string, QuantizedLayer>): number => {
  const names = new Set(store.names())
  return [...layers].filter(([base, { beside = [] }]) => beside.some(suffix => names.has(`${base}.${suffix}`))).length
}
