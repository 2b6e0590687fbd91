import { badFile } from '../../files/bad-file.js'

/** What calibration saw at the input of one weight. */
export interface ImatrixEntry {
  /** Σ x² of each input column; for a layer of experts one list after the other. */
  readonly sums: Float32Array
  /** Over how many inputs; one number, or one for each expert. */
  readonly calls: readonly number[]
}

/** An importance matrix: how much each input column of each weight matters. */
export interface Imatrix {
  /** By the name of the weight in GGUF, such as blk.0.attn_q.weight. */
  readonly entries: ReadonlyMap<string, ImatrixEntry>
  /** Of how many pieces of text. */
  readonly chunks: number
  /** Tokens in a piece; absent in the older form. */
  readonly chunkSize?: number
  /** Which text. */
  readonly datasets: readonly string[]
}

/** The mean of x² for each column, which encoders take as importance; ones where an expert never ran. */
export const importanceOf = ({ sums, calls }: ImatrixEntry): Float32Array => {
  const columns = sums.length / calls.length
  return sums.map((sum, i) => {
    const count = calls[Math.floor(i / columns)]
    return count > 0 ? sum / count : 1
  })
}

/** Checks what a file holds for a weight; throws BAD_FILE. */
export const checkEntry = (name: string, entry: ImatrixEntry): ImatrixEntry => {
  const { sums, calls } = entry
  if (calls.length === 0 || sums.length === 0 || sums.length % calls.length !== 0)
    throw badFile(`The entry "${name}" has ${sums.length} sums for ${calls.length} counts.`, undefined, { name })
  if (!sums.every(sum => sum >= 0 && sum < Infinity))
    throw badFile(`The entry "${name}" has a sum of squares that is negative or not finite.`, 'Make the file again.', { name })
  if (!calls.every(count => Number.isFinite(count) && count >= 0))
    throw badFile(`The entry "${name}" has a count below zero.`, 'Make the file again.', { name })
  if (!importanceOf(entry).every(mean => mean < Infinity))
    throw badFile(`The entry "${name}" has sums that are too large for their counts.`, 'Make the file again.', { name })
  return Object.freeze({ sums, calls: Object.freeze(calls) })
}
