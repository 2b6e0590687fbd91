import { dense, encoded, sizeOf, DTYPES, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { flat } from './entries.js'
import { entriesOf, positionsOfRow, type Page } from './page.js'

/** Entries of a page to which more are joined: beyond, joining copies more than it saves. */
const ENOUGH = 1024

/** Two tensors (matrices, lines, …) one behind the other in their lines; undefined where their matrices end within a byte. */
const joinedLines = (a: Dense, b: Dense): Dense | undefined => {
  const [matrices, lines, ...rest] = a.shape
  if (a.dtype !== b.dtype || b.shape[0] !== matrices || String(b.shape.slice(2)) !== String(rest)) return undefined
  const bitsOf = ({ shape, dtype }: Dense): number => (sizeOf(shape) / matrices) * DTYPES[dtype].bits
  if (bitsOf(a) % 8 > 0 || bitsOf(b) % 8 > 0) return undefined
  const [first, second] = [bitsOf(a) / 8, bitsOf(b) / 8]
  const bytes = new Uint8Array(matrices * (first + second))
  for (let matrix = 0; matrix < matrices; matrix++) {
    bytes.set(a.bytes.subarray(matrix * first, (matrix + 1) * first), matrix * (first + second))
    bytes.set(b.bytes.subarray(matrix * second, (matrix + 1) * second), matrix * (first + second) + first)
  }
  return dense(a.dtype, [matrices, lines + b.shape[1], ...rest], bytes)
}

/** All of some parts joined; undefined where one cannot be. */
const joinedParts = (a: Encoded, b: Encoded, names: readonly string[]): Readonly<Record<string, Parameter>> | undefined => {
  const joined = names.map(name => [name, joinedTrees(a.parts[name], b.parts[name])] as const)
  return joined.every(([, part]) => part) ? { ...a.parts, ...(Object.fromEntries(joined) as Record<string, Parameter>) } : undefined
}

/** Tiles end with the first tree's lines, so that those of both stay what they are. */
const tilesEnd = ({ shape, attrs }: Encoded): boolean => shape[1] % (attrs.height as number) === 0

/** By codec: what is joined, and whether the trees may be. */
const JOINS: Readonly<
  Record<string, { readonly parts: (tree: Encoded) => readonly string[]; readonly fits?: (a: Encoded, b: Encoded) => boolean }>
> = {
  tiled: { parts: ({ parts }) => Object.keys(parts), fits: tilesEnd },
  turned: { parts: () => ['values'] },
  projected: { parts: () => ['features'], fits: (a, b) => a.parts.basis === b.parts.basis },
}

/** A tree of the entries of two of one form, one behind the other; undefined where they cannot be one. */
export const joinedTrees = (a: Parameter, b: Parameter): Parameter | undefined => {
  if (a.kind === 'dense' || b.kind === 'dense') return a.kind === 'dense' && b.kind === 'dense' ? joinedLines(a, b) : undefined
  const join = JOINS[a.codec.name] as (typeof JOINS)[string] | undefined
  const isAlike = a.codec.name === b.codec.name && JSON.stringify(a.attrs) === JSON.stringify(b.attrs)
  const names = String(Object.keys(a.parts)) === String(Object.keys(b.parts))
  if (!join || !isAlike || !names || join.fits?.(a, b) === false) return undefined
  const parts = joinedParts(a, b, join.parts(a))
  return parts && encoded(a.codec, [a.shape[0], a.shape[1] + b.shape[1], a.shape[2]], parts, a.attrs)
}

const joinedPage = (a: Page, b: Page): Page | undefined => {
  if (a.from !== b.from || a.to !== b.to || entriesOf(a) >= ENOUGH || a.counts || b.counts) return undefined
  const keys = joinedTrees(a.keys, b.keys)
  const values = keys && joinedTrees(a.values, b.values)
  if (!values) return undefined
  const isOne = a.positions.length === entriesOf(a) && b.positions.length === entriesOf(b)
  const rows = Array.from({ length: isOne ? 1 : a.to - a.from }, (_, row) => a.from + row)
  return { from: a.from, to: a.to, keys, values, positions: flat(rows.flatMap(row => [positionsOfRow(a, row), positionsOfRow(b, row)])) }
}

/** Pages with some newer ones, joined to the last of their form where that can be: fewer products at each step. */
export const withPages = (pages: readonly Page[], newer: readonly Page[]): readonly Page[] => {
  const all = [...pages]
  for (const page of newer) {
    for (let i = all.length - 1; i >= -1; i--) {
      const joined = i < 0 ? page : joinedPage(all[i], page)
      if (!joined) continue
      if (i < 0) all.push(joined)
      else all[i] = joined
      break
    }
  }
  return all
}
