/** What blocks hold, each number by itself: of one block, or of a tensor block after block. */
export interface BlockContent {
  /** Unsigned codes of the elements. */
  readonly codes: Uint8Array
  /** f16 codes of the scale of each block; of a super-block, the scale of its scales. */
  readonly scale: Uint16Array
  /** f16 codes of what is added to each block, or of the scale of what is taken from each group; empty for types without. */
  readonly minimum: Uint16Array
  /** Unsigned codes of the scales of the groups in each block; empty for types without. */
  readonly scaleCodes: Uint8Array
  readonly minimumCodes: Uint8Array
}

/** How the numbers of a block lie in its bytes. */
export interface BlockLayout {
  /** Elements of a block. */
  readonly block: number
  /** Bytes of a block. */
  readonly bytes: number
  /** Elements that share a scale code; absent where no scales are coded. */
  readonly group?: number
  /** Whether blocks have a minimum, and groups a code for it. */
  readonly ranged: boolean
  /** Lays out the block of that index, into zeroed bytes. */
  pack(content: BlockContent, index: number, bytes: Uint8Array, at: number): void
  unpack(bytes: Uint8Array, at: number, content: BlockContent, index: number): void
}

/** How the elements of one block type are stored. */
export interface BlockFormat extends BlockLayout {
  /**
   * Quantizes as ggml does, byte for byte. `importance` holds a weight for each column of the rows that `values` consists of;
   * types that cannot use it ignore it.
   */
  encode(values: Float32Array, importance?: Float32Array): Uint8Array
  decode(blocks: Uint8Array): Float32Array
}

/** Elements of a small block. */
export const BLOCK = 32
/** Elements of a super-block. */
export const SUPER = 256

/** Room for the content of so many blocks. */
export const contentOf = ({ block, group, ranged }: Pick<BlockLayout, 'block' | 'group' | 'ranged'>, blocks = 1): BlockContent => {
  const groups = group === undefined ? 0 : (blocks * block) / group
  return {
    codes: new Uint8Array(blocks * block),
    scale: new Uint16Array(blocks),
    minimum: new Uint16Array(ranged ? blocks : 0),
    scaleCodes: new Uint8Array(groups),
    minimumCodes: new Uint8Array(ranged ? groups : 0),
  }
}

export const putU16 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value & 0xff
  bytes[at + 1] = value >>> 8
}

export const u16At = (bytes: Uint8Array, at: number): number => bytes[at] | (bytes[at + 1] << 8)
