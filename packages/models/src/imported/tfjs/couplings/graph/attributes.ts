/** A node as a frozen graph holds it. */
export interface RawNode {
  readonly name: string
  readonly op: string
  readonly input?: readonly string[]
  readonly attr?: Readonly<Record<string, unknown>>
}

/** A node whose inputs are names of values: weights behind nodes that hand them on, no control inputs. */
export interface GraphNode extends RawNode {
  readonly input: readonly string[]
}

type Attribute = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Attribute => typeof value === 'object' && value !== null && !Array.isArray(value)

const attributeOf = ({ attr }: RawNode, key: string): Attribute =>
  attr && Object.hasOwn(attr, key) && isRecord(attr[key]) ? attr[key] : {}

const decoded = (text: unknown): string => {
  if (Array.isArray(text)) return String.fromCharCode(...(text as readonly number[]))
  try {
    return typeof text === 'string' ? atob(text) : ''
  } catch {
    return ''
  }
}

/** "" where absent. */
export const textOf = (node: RawNode, key: string): string => decoded(attributeOf(node, key).s)

export const isSet = (node: RawNode, key: string): boolean => attributeOf(node, key).b === true

export const numberOf = (node: RawNode, key: string, absent: number): number => {
  const { i } = attributeOf(node, key)
  return i === undefined ? absent : Number(i)
}

const listOf = (node: RawNode, key: string, of: string): readonly unknown[] => {
  const { list } = attributeOf(node, key)
  const values = isRecord(list) ? list[of] : undefined
  return Array.isArray(values) ? (values as readonly unknown[]) : []
}

export const numbersOf = (node: RawNode, key: string): readonly number[] => listOf(node, key, 'i').map(Number)

export const textsOf = (node: RawNode, key: string): readonly string[] => listOf(node, key, 's').map(decoded)

/** The extents of a placeholder, -1 where the caller chooses; undefined where the file does not say. */
export const shapeOf = (node: RawNode): readonly number[] | undefined => {
  const { shape } = attributeOf(node, 'shape')
  if (!isRecord(shape) || shape.unknownRank === true) return undefined
  if (shape.dim === undefined) return []
  return Array.isArray(shape.dim) ? shape.dim.map(dim => (isRecord(dim) ? Number(dim.size ?? -1) : -1)) : undefined
}
