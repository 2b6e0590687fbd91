import { fromFloat32, fromIntegers, toFloat32, toInt32, type Dense, type Parameter } from '@tersor/tensor'
import type { AttentionFacts, Entries } from './layer-cache.js'
import { positionsOf, spansOf } from './entries.js'
import { positionsOfRow, sharingLeaves, type Page } from './page.js'
import { checkedPositions, numbers, refusal, type Reading } from './stored-parts.js'

/** Which rows a page has; plain data. */
export interface PageFacts {
  readonly from: number
  readonly to: number
}

export const factsOfPages = (pages: readonly Page[]): readonly PageFacts[] => pages.map(({ from, to }) => ({ from, to }))

const whole = (values: Int32Array): Dense => fromIntegers(values, 'i32', [values.length])

/** Pages as parameters by name; trees stay trees. */
export const storedPages = (name: string, pages: readonly Page[]): readonly (readonly [string, Parameter])[] =>
  pages.flatMap(({ keys, values, positions, counts }, i) => {
    const page = `${name}.pages.${i}`
    return [
      [`${page}.keys`, keys] as const,
      [`${page}.values`, values] as const,
      [`${page}.positions`, whole(positions)] as const,
      ...(counts ? [[`${page}.counts`, fromFloat32(counts, 'f32', [counts.length])] as const] : []),
    ]
  })

/** A tree of (rows, entries, size) whose parts fit each other. */
const checkedTree = (name: string, tree: Parameter, rows: number, size: number): Parameter => {
  const [got, entries, width] = tree.shape
  if (tree.shape.length !== 3 || got !== rows || width !== size || entries === 0)
    throw refusal(name, `is [${tree.shape}], expected [${rows}, entries, ${size}]`)
  const finding = tree.kind === 'encoded' ? tree.codec.check?.(tree.parts, tree.attrs, tree.shape) : undefined
  if (finding !== undefined) throw refusal(name, `does not fit together: ${finding}`)
  return tree
}

const readPage = async (
  page: string,
  { from, to }: PageFacts,
  { read, has }: Reading,
  { keyHeads, size }: AttentionFacts,
  next: number,
): Promise<Page> => {
  const isRun = Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to <= keyHeads
  if (!isRun) throw refusal(page, `is of rows ${from} to ${to}, and the layer has ${keyHeads}`)
  const rows = to - from
  const keys = checkedTree(`${page}.keys`, await read(`${page}.keys`), rows, size)
  const values = checkedTree(`${page}.values`, await read(`${page}.values`), rows, size)
  if (String(values.shape) !== String(keys.shape)) throw refusal(`${page}.values`, `is [${values.shape}], and its keys are [${keys.shape}]`)
  const name = `${page}.positions`
  const positions = checkedPositions(name, toInt32(numbers(name, await read(name), 'i32')), keys.shape[1], rows, next)
  if (!has(`${page}.counts`)) return { from, to, keys, values, positions }
  const counts = toFloat32(numbers(`${page}.counts`, await read(`${page}.counts`), 'f32'))
  if (counts.length !== rows * keys.shape[1])
    throw refusal(`${page}.counts`, `has ${counts.length} numbers for ${rows} rows of ${keys.shape[1]}`)
  return { from, to, keys, values, positions, counts }
}

/** Refuses pages that hold a position twice. */
const checkOnce = (name: string, pages: readonly Page[], held: readonly Entries[]): void => {
  const exact = spansOf(held).flatMap((_, i) => positionsOf(held[i]))
  exact.forEach((list, row) => {
    const own = pages.filter(({ from, to }) => from <= row && row < to).map(page => positionsOfRow(page, row))
    const all = [...own, list].reduce((sum, { length }) => sum + length, 0)
    if (new Set([...own, list].flatMap(each => [...each])).size < all) throw refusal(name, `holds a position of row ${row} twice`)
  })
}

/** The pages of a layer; throws BAD_FILE for what does not fit the network. */
export const readPages = async (
  name: string,
  facts: readonly PageFacts[],
  reading: Reading,
  attention: AttentionFacts,
  held: readonly Entries[],
  next: number,
): Promise<readonly Page[]> => {
  const pages: Page[] = []
  for (const [i, of] of facts.entries()) {
    const page = await readPage(`${name}.pages.${i}`, of, reading, attention, next)
    const before = pages.at(-1)
    pages.push({ ...page, keys: sharingLeaves(page.keys, before?.keys), values: sharingLeaves(page.values, before?.values) })
  }
  checkOnce(name, pages, held)
  return pages
}
