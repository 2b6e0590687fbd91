import { HIDDEN_FROM_SIGHT } from '../folder/operators.js'
import { positionsIn, type HeldRows, type Since } from './held-rows.js'

/** What hides entries of one layer from new tokens. */
export interface Hiding {
  readonly rows: readonly HeldRows[]
  readonly since: Since
  /** Of the tensor, before the new tokens. */
  readonly width: number
  readonly tokens: number
  readonly window: number | null
}

/** Whether a place is padding, or outside of a window that a graph takes by places. */
const hidesAny = ({ rows, since, width, window }: Hiding): boolean =>
  rows.some(
    ({ count, positions }) => count + since.added < width || (window !== null && (positions !== undefined || since.first !== count)),
  )

/**
 * What is added to the scores of a layer, (heads, tokens, width + tokens) of key heads; undefined where nothing is hidden that the graph does not hide itself.
 * Graphs take windows by places; entries that stand farther apart than their places do are hidden here, by positions.
 */
export const hiddenEntries = (hiding: Hiding): Float32Array | undefined => {
  if (!hidesAny(hiding)) return undefined
  const { rows, since, width, tokens, window } = hiding
  const all = width + tokens
  const hidden = new Float32Array(rows[rows.length - 1].to * tokens * all)
  const next = since.first + since.added
  for (const held of rows) {
    const pad = width - held.count - since.added
    positionsIn(held, since).forEach((positions, i) => {
      for (let token = 0; token < tokens; token++) {
        const at = ((held.from + i) * tokens + token) * all
        hidden.fill(HIDDEN_FROM_SIGHT, at, at + pad)
        if (window === null) continue
        const earliest = next + token - window
        for (let entry = 0; entry < positions.length; entry++)
          if (positions[entry] <= earliest) hidden[at + pad + entry] = HIDDEN_FROM_SIGHT
      }
    })
  }
  return hidden
}
