import { BLOCK_TYPES, packBlocks, unpackBlocks, type BlockContent, type BlockFormat, type BlockTypeName } from '@tersor/kernels/blocks'
import {
  codesOf,
  dense,
  encoded,
  fromIntegers,
  sizeOf,
  type Dense,
  type DType,
  type Encoded,
  type Parameter,
  type Shape,
} from '@tersor/tensor'
import { affine } from './affine.js'
import { codebook, type CodebookName } from './codebook.js'
import { matrixShape } from './groups.js'
import { powers } from './powers.js'
import { ranged } from './ranged.js'

/** How a tree holds what blocks hold: the codec of the whole, and the bits of the codes of scales in super-blocks. */
type Form =
  | { readonly codec: 'affine'; readonly bits: number; readonly scaleBits?: number }
  | { readonly codec: 'ranged'; readonly bits: number; readonly scaleBits?: number }
  | { readonly codec: 'codebook'; readonly bits: 4; readonly table: CodebookName; readonly scaleBits?: number | 'power' }

const FORMS: Readonly<Record<BlockTypeName, Form>> = {
  q4_0: { codec: 'affine', bits: 4 },
  q4_1: { codec: 'ranged', bits: 4 },
  q5_0: { codec: 'affine', bits: 5 },
  q5_1: { codec: 'ranged', bits: 5 },
  q8_0: { codec: 'affine', bits: 8 },
  q2_k: { codec: 'ranged', bits: 2, scaleBits: 4 },
  q3_k: { codec: 'affine', bits: 3, scaleBits: 6 },
  q4_k: { codec: 'ranged', bits: 4, scaleBits: 6 },
  q5_k: { codec: 'ranged', bits: 5, scaleBits: 6 },
  q6_k: { codec: 'affine', bits: 6, scaleBits: 8 },
  iq4_nl: { codec: 'codebook', bits: 4, table: 'iq4nl' },
  iq4_xs: { codec: 'codebook', bits: 4, table: 'iq4nl', scaleBits: 6 },
  mxfp4: { codec: 'codebook', bits: 4, table: 'e2m1', scaleBits: 'power' },
}

const NEGATIVE = 0x8000

const halves = (codes: Uint16Array, shape: Shape): Dense =>
  dense('f16', shape, new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength))
const halfCodes = ({ bytes }: Dense): Uint16Array => new Uint16Array(bytes.slice().buffer)
const unsigned = (codes: Uint8Array, bits: number, shape: Shape): Dense => fromIntegers(codes, `u${bits}` as DType, shape)

/** The first columns of each row. */
const cut = (codes: Uint8Array, rows: number, columns: number): Uint8Array => {
  if (codes.length === rows * columns) return codes
  const result = new Uint8Array(rows * columns)
  const stride = codes.length / rows
  for (let row = 0; row < rows; row++) result.set(codes.subarray(row * stride, row * stride + columns), row * columns)
  return result
}

/** Codes of scales under a half for each super-block; a half alone where scales are not coded. */
const scalesOf = (codec: typeof affine, codes: Uint8Array, scale: Uint16Array, bits: Form['scaleBits'], rows: number): Parameter => {
  const coded = [rows, codes.length / rows]
  if (bits === undefined) return halves(scale, [rows, scale.length / rows])
  if (bits === 'power') return encoded(powers, coded, { exponent: unsigned(codes, 8, coded) })
  const parts = { data: unsigned(codes, bits, coded), scale: halves(scale, [rows, scale.length / rows]) }
  const group = codes.length / scale.length
  return encoded(codec, coded, parts, codec === affine ? { bits, group } : { group })
}

/**
 * The tree that stands for the same numbers as blocks: affine, ranged or codebook, with scales that are trees for super-blocks.
 * blocks: rows of whole blocks, whose columns beyond those of the shape are dropped. Throws SHAPE for an incomplete block.
 */
export const blocksToTree = (type: BlockTypeName, blocks: Uint8Array, shape: Shape): Encoded => {
  const form = FORMS[type]
  const { block, group = block }: BlockFormat = BLOCK_TYPES[type]
  const { codes, scale, scaleCodes, minimum, minimumCodes } = unpackBlocks(type, blocks)
  const [rows, columns] = matrixShape(shape)
  const data = unsigned(cut(codes, rows, columns), form.bits, shape)
  if (form.codec !== 'ranged') {
    const parts = { data, scale: scalesOf(affine, scaleCodes, scale, form.scaleBits, rows) }
    return form.codec === 'affine'
      ? encoded(affine, shape, parts, { bits: form.bits, group })
      : encoded(codebook, shape, parts, { table: form.table, block: group })
  }
  // What blocks take away, a tree adds.
  const added = form.scaleBits === undefined ? minimum : minimum.map(half => half ^ NEGATIVE)
  const parts = {
    data,
    scale: scalesOf(ranged, scaleCodes, scale, form.scaleBits, rows),
    minimum: scalesOf(ranged, minimumCodes, added, form.scaleBits, rows),
  }
  return encoded(ranged, shape, parts, { group })
}

/** What a tree is made of, without its numbers. */
const structureOf = (parameter: Parameter): string =>
  parameter.kind === 'dense'
    ? parameter.dtype
    : JSON.stringify([
        parameter.codec.name,
        Object.entries(parameter.attrs).sort(([a], [b]) => (a < b ? -1 : 1)),
        Object.entries(parameter.parts)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, part]) => [name, structureOf(part)]),
      ])

/** The codes of scales, and the halves they stand under. */
const scaleParts = (scale: Parameter): Pick<BlockContent, 'scaleCodes' | 'scale'> => {
  if (scale.kind === 'dense') return { scaleCodes: new Uint8Array(), scale: halfCodes(scale) }
  const { data, exponent, scale: halves } = scale.parts as Readonly<Record<string, Dense>>
  return exponent ? { scaleCodes: exponent.bytes, scale: new Uint16Array() } : { scaleCodes: codesOf(data), scale: halfCodes(halves) }
}

const contentOf = ({ parts }: Encoded, coded: boolean): BlockContent => {
  const { scaleCodes, scale } = scaleParts(parts.scale)
  const content = { codes: codesOf(parts.data as Dense), scaleCodes, scale }
  if (!parts.minimum) return { ...content, minimumCodes: new Uint8Array(), minimum: new Uint16Array() }
  const { scaleCodes: minimumCodes, scale: added } = scaleParts(parts.minimum)
  return { ...content, minimumCodes, minimum: coded ? added.map(half => half ^ NEGATIVE) : added }
}

/** Whether every number of whole blocks is there. */
const isWhole = (content: BlockContent, size: number, { block, group, ranged }: BlockFormat, hasHalves: boolean): boolean => {
  const blocks = hasHalves ? size / block : 0
  const groups = group === undefined ? 0 : size / group
  return (
    content.codes.length === size &&
    [content.scale.length, content.minimum.length].join() === [blocks, ranged ? blocks : 0].join() &&
    [content.scaleCodes.length, content.minimumCodes.length].join() === [groups, ranged ? groups : 0].join()
  )
}

/** Blocks and their type. */
export interface TypedBlocks {
  readonly type: BlockTypeName
  readonly bytes: Uint8Array
}

/** The blocks that hold the very codes and scales of a tree; undefined where no type does, or where rows do not fill its blocks. */
export const treeToBlocks = (tree: Encoded): TypedBlocks | undefined => {
  const structure = structureOf(tree)
  const types = Object.keys(FORMS) as BlockTypeName[]
  const type = types.find(name => {
    const { block, bytes } = BLOCK_TYPES[name]
    return structureOf(blocksToTree(name, new Uint8Array(bytes), [1, block])) === structure
  })
  if (!type) return undefined
  const format = BLOCK_TYPES[type]
  const { scaleBits } = FORMS[type]
  const content = contentOf(tree, scaleBits !== undefined)
  const [rows, columns] = matrixShape(tree.shape)
  if (
    columns % format.block !== 0 ||
    tree.parts.scale.shape[0] !== rows ||
    !isWhole(content, sizeOf(tree.shape), format, scaleBits !== 'power')
  )
    return undefined
  return { type, bytes: packBlocks(type, content) }
}
