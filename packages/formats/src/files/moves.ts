import { readSmallFile } from './byte-source.js'
import { exists, within, type FileSystem } from './file-system.js'
import { isRecord, parseJson } from './json-text.js'

/** One file or folder on its way to its place. */
export interface Move {
  readonly from: string
  readonly to: string
}

/** A move as it is written down before it is made. */
export interface PlannedMove {
  readonly to: string
  /** Under which name what stood there waits in the folder of the unfinished output. */
  readonly kept: string
  /** Of what is moved there; empty where the system has none. */
  readonly identity: string
}

/** The file of an unfinished output that says what is being moved where. */
export const MOVES = 'moves.json'
const MOST_BYTES = 1 << 24

export const movesToText = (moves: readonly PlannedMove[]): Uint8Array => new TextEncoder().encode(JSON.stringify(moves))

/** Tells a file or folder from another that took its place, wherever it is moved on its disk. */
export const identityOf = async (fs: FileSystem, path: string): Promise<string> => {
  const { ino, birthtimeMs } = await fs.stat(path)
  return ino === undefined ? '' : `${ino} ${birthtimeMs}`
}

const readMoves = async (fs: FileSystem, folder: string): Promise<readonly PlannedMove[]> => {
  const path = within(folder, MOVES)
  if (!(await exists(fs, path))) return []
  const text = new TextDecoder().decode(await readSmallFile(path, MOST_BYTES, fs))
  try {
    const moves = parseJson(text, path, 4)
    const isMove = (move: unknown): boolean => isRecord(move) && ['to', 'kept', 'identity'].every(name => typeof move[name] === 'string')
    return Array.isArray(moves) && moves.every(isMove) ? (moves as PlannedMove[]) : []
  } catch {
    return [] // torn by the kill, and so before the first move
  }
}

/**
 * Puts back what a process that was killed between its renames had moved away; gives whether everything it would put in place
 * stands there, and is what it put there.
 */
export const recoverOutput = async (fs: FileSystem, folder: string): Promise<boolean> => {
  const moves = await readMoves(fs, folder)
  let placed = moves.length > 0
  for (const { to, kept, identity } of moves) {
    const stands = await exists(fs, to)
    placed &&= stands && identity !== '' && (await identityOf(fs, to)) === identity
    if (!stands && (await exists(fs, within(folder, kept)))) await fs.rename(within(folder, kept), to)
  }
  return placed
}
