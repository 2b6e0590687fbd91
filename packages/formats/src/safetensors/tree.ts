import {
  bytesOf,
  CompressionError,
  encoded,
  isDType,
  outlineOf,
  sizeOf,
  type Attrs,
  type Codec,
  type Dense,
  type DType,
  type Outline,
  type OutlineLeaf,
  type Parameter,
  type Shape,
} from '@tersor/tensor'
import { badFile, oneLine } from '../files/bad-file.js'
import { isCounts, isRecord } from '../files/json-text.js'
import type { TensorEntry } from './header.js'
import { DTYPE_OF, NAME_OF } from './tables.js'

/** A leaf of a stored tree: the tensor `raw` of the file, seen as dtype and shape. */
export interface StoredLeaf {
  readonly raw: string
  readonly dtype: DType
  readonly shape: Shape
}

/** A node of a stored tree, its codec found. */
export interface StoredNode {
  readonly codec: Codec
  readonly shape: Shape
  readonly attrs: Attrs
  readonly parts: Readonly<Record<string, StoredTree>>
}

export type StoredTree = StoredLeaf | StoredNode

export const isNode = (tree: StoredTree): tree is StoredNode => 'codec' in tree

/** Joins a parameter's name and its parts'. Module names use dots, so plain tensors do not collide. */
const SEPARATOR = '/'

/** Codecs within codecs within codecs: real trees have three levels. */
export const MAX_TREE_DEPTH = 16

/** The leaves with the names that their tensors get in the file. */
export const leavesOf = (name: string, parameter: Parameter | Outline): readonly (readonly [raw: string, leaf: OutlineLeaf])[] => {
  if (parameter.kind === 'dense') return [[name, 'bytes' in parameter ? outlineOf(parameter) : parameter]]
  return Object.entries<Parameter | Outline>(parameter.parts).flatMap(([part, child]) => leavesOf(name + SEPARATOR + part, child))
}

/** The codecs of a tree. */
export const codecsOf = (parameter: Parameter | Outline): readonly Codec[] =>
  parameter.kind === 'dense' ? [] : [parameter.codec, ...Object.values<Parameter | Outline>(parameter.parts).flatMap(codecsOf)]

const checkAttrs = (name: string, attrs: Attrs): Attrs => {
  for (const [key, value] of Object.entries(attrs)) {
    const bad = [value].flat().some(entry => typeof entry === 'number' && !Number.isFinite(entry))
    if (bad)
      throw new CompressionError('BAD_DATA', `Attribute ${key} of "${name}" is ${value}.`, 'JSON holds finite numbers only.', { name, key })
  }
  return attrs
}

/** The tree as JSON: codec, shape, attrs and parts, or dtype and shape of a leaf. Throws BAD_DATA for attributes that JSON loses. */
export const treeToJson = (name: string, parameter: Parameter | Outline): unknown =>
  parameter.kind === 'dense'
    ? { dtype: parameter.dtype, shape: parameter.shape }
    : {
        codec: parameter.codec.name,
        shape: parameter.shape,
        attrs: checkAttrs(name, parameter.attrs),
        parts: Object.fromEntries(
          Object.entries<Parameter | Outline>(parameter.parts).map(([part, child]) => [part, treeToJson(name + SEPARATOR + part, child)]),
        ),
      }

/** Whether the format itself says what a tensor's elements are; others are noted beside it, or they would be read as bytes. */
export const isNamed = ({ dtype }: Pick<OutlineLeaf, 'dtype'>): boolean => NAME_OF[dtype] !== undefined

/** What the writer puts in the header for a leaf: dtypes that the format lacks become flat bytes. */
export const storageOf = (leaf: Pick<OutlineLeaf, 'dtype' | 'shape'>): { readonly dtype: string; readonly shape: Shape } => {
  const dtype = NAME_OF[leaf.dtype]
  return dtype ? { dtype, shape: leaf.shape } : { dtype: 'U8', shape: [bytesOf(leaf.dtype, leaf.shape)] }
}

const camelCase = (name: string): string => name.replace(/[-_.](\w)/g, (_, letter: string) => letter.toUpperCase())

const unknownCodec = (name: string, codec: string): CompressionError => {
  const value = oneLine(camelCase(codec))
  return new CompressionError(
    'UNKNOWN_CODEC',
    oneLine(`"${name}" is stored with the codec ${codec}, which was not passed.`),
    `Add: import { ${value} } from '@tersor/core' and pass codecs: [${value}], or import it from the package that made the file.`,
    { name, codec },
  )
}

const isAttrs = (value: unknown): value is Attrs =>
  isRecord(value) &&
  Object.values(value).every(
    entry =>
      ['string', 'number', 'boolean'].includes(typeof entry) || (Array.isArray(entry) && entry.every(item => typeof item === 'number')),
  )

const isShape = (value: unknown): value is Shape => isCounts(value) && Number.isSafeInteger(sizeOf(value) * 64)

const parseLeaf = (raw: string, json: Readonly<Record<string, unknown>>, tensors: ReadonlyMap<string, TensorEntry>): StoredLeaf => {
  const { dtype, shape } = json
  const entry = tensors.get(raw)
  if (!isDType(dtype) || !isShape(shape)) throw badFile(`The tree's leaf "${raw}" has no known dtype and shape.`, undefined, { raw })
  if (!entry) throw badFile(`The tree's leaf "${raw}" is not among the tensors.`, undefined, { raw })
  const stored = NAME_OF[dtype] ?? 'U8'
  if (entry.dtype !== DTYPE_OF[stored] || entry.byteLength !== bytesOf(dtype, shape))
    throw badFile(`The tree's leaf "${raw}" does not fit its tensor.`, undefined, { raw })
  return { raw, dtype, shape }
}

/** Checks a tree against the tensors and the codecs. Throws BAD_FILE and UNKNOWN_CODEC. */
export const parseTree = (
  name: string,
  json: unknown,
  tensors: ReadonlyMap<string, TensorEntry>,
  codecs: ReadonlyMap<string, Codec>,
): StoredTree => {
  if (!isRecord(json)) throw badFile(`The tree of "${name}" has a node that is not an object.`, undefined, { name })
  if (!('codec' in json)) return parseLeaf(name, json, tensors)
  const { codec, shape, attrs, parts } = json
  if (typeof codec !== 'string' || !isShape(shape) || !isAttrs(attrs) || !isRecord(parts))
    throw badFile(`The tree of "${name}" lacks codec, shape, attrs or parts.`, undefined, { name })
  const found = codecs.get(codec)
  if (!found) throw unknownCodec(name, codec)
  const children = Object.entries(parts).map(([part, child]) => [part, parseTree(name + SEPARATOR + part, child, tensors, codecs)] as const)
  return { codec: found, shape, attrs, parts: Object.fromEntries(children) }
}

/** All leaves of a stored tree. */
export const storedLeaves = (tree: StoredTree): readonly StoredLeaf[] =>
  isNode(tree) ? Object.values(tree.parts).flatMap(storedLeaves) : [tree]

/** What a stored tree looks like, its leaves read by `read`. */
export const outlineOfTree = (tree: StoredTree, read: (leaf: StoredLeaf) => OutlineLeaf['read']): Outline => {
  if (!isNode(tree)) return { kind: 'dense', dtype: tree.dtype, shape: tree.shape, read: read(tree) }
  const parts = Object.entries(tree.parts).map(([part, child]) => [part, outlineOfTree(child, read)] as const)
  return { kind: 'encoded', codec: tree.codec, shape: tree.shape, attrs: tree.attrs, parts: Object.fromEntries(parts) }
}

/** Reads the leaves at the same time, builds the tree and holds its parts against its codecs. Throws BAD_FILE where they do not fit. */
export const readTree = async (name: string, tree: StoredTree, read: (leaf: StoredLeaf) => Promise<Dense>): Promise<Parameter> => {
  if (!isNode(tree)) return read(tree)
  const { codec, shape, attrs } = tree
  const children = Object.entries(tree.parts)
  const entries = await Promise.all(
    children.map(async ([part, child]) => [part, await readTree(name + SEPARATOR + part, child, read)] as const),
  )
  const parts = Object.fromEntries(entries)
  const finding = codec.check?.(parts, attrs, shape)
  if (finding !== undefined) throw badFile(`"${name}" is stored as ${codec.name}, and ${finding}.`, undefined, { name, codec: codec.name })
  return encoded(codec, shape, parts, attrs)
}
