import { sizeOf } from '@tersor/tensor'
import { badFile } from '../files/bad-file.js'
import type { Manifest, WeightEntry, WeightGroup } from './manifest.js'

/** Tables of words have some megabytes; they are held in memory. */
export const MAX_STRING_BYTES = 64 << 20
const LENGTH_BYTES = 4

/** The run of bytes of a group. */
export interface GroupBytes {
  readonly size: number
  read(offset: number, length: number): Promise<Uint8Array>
}

/** The strings of a weight, each with its length before it, from the first byte of the first; throws BAD_FILE. */
const stringsAt = async (bytes: GroupBytes, offset: number, { name, shape }: WeightEntry): Promise<Uint8Array> => {
  const count = sizeOf(shape)
  const rest = await bytes.read(offset, Math.max(0, Math.min(bytes.size - offset, MAX_STRING_BYTES)))
  const view = new DataView(rest.buffer, rest.byteOffset, rest.byteLength)
  let end = 0
  for (let i = 0; i < count; i++) {
    end += end + LENGTH_BYTES <= rest.length ? LENGTH_BYTES + view.getUint32(end, true) : Infinity
    if (end > rest.length) throw badFile(`The ${count} strings of the weight "${name}" go on beyond the end of what holds them.`)
  }
  return rest.slice(0, end)
}

/**
 * A manifest in which every weight has its place: how long strings are stands before each of them and not in the manifest, so that
 * what comes behind them is found only by looking. Throws BAD_FILE for strings that do not fit.
 */
export const withStrings = async (manifest: Manifest, groups: readonly GroupBytes[]): Promise<Manifest> => {
  if (![...manifest.weights.values()].some(({ dtype }) => dtype === 'string')) return manifest
  const weights = new Map<string, WeightEntry>()
  const extra = manifest.groups.map(() => 0)
  for (const [name, entry] of manifest.weights) {
    const offset = entry.offset + extra[entry.group]
    const content = entry.dtype === 'string' ? await stringsAt(groups[entry.group], offset, entry) : undefined
    extra[entry.group] += content?.length ?? 0
    weights.set(name, { ...entry, offset, ...(content ? { content, bytes: content.length } : {}) })
  }
  return { groups: manifest.groups.map((group, i): WeightGroup => ({ ...group, bytes: group.bytes + extra[i] })), weights }
}
