import { CompressionError } from '@tersor/tensor'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { stands } from '../kind-of.js'

/** A file of a repository. */
export interface HubFile {
  readonly path: string
  readonly size: number
  /** Of git, or of what it points to. */
  readonly oid: string
  /** Whether `oid` is the SHA-256 of the contents; git's own otherwise. */
  readonly isLarge: boolean
}

export interface DownloadRequest {
  readonly url: string
  readonly file: HubFile
  /** The folder of the repository in the cache. */
  readonly folder: string
  readonly commit: string
  readonly fetch: typeof fetch
  readonly headers: Readonly<Record<string, string>>
  readonly onProgress: (done: number, of: number) => void
}

/** A connection that breaks is taken up again so often. */
const ATTEMPTS = 3

const sizeOfFile = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  )

/** What a file would be called by the hub. */
const oidOf = async (path: string, { isLarge, size }: HubFile): Promise<string> => {
  const hash = createHash(isLarge ? 'sha256' : 'sha1')
  if (!isLarge) hash.update(`blob ${size}\0`) // as git does
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer)
  return hash.digest('hex')
}

/** Appends what is missing; gives whether all came. */
const fetchRest = async (incomplete: string, { url, file, fetch, headers, onProgress }: DownloadRequest): Promise<boolean> => {
  const have = await sizeOfFile(incomplete)
  if (have >= file.size) return true
  const response = await fetch(url, { headers: { ...headers, ...(have > 0 ? { Range: `bytes=${have}-` } : {}) } })
  const goesOn = response.status === 206
  const out = await open(incomplete, goesOn ? 'a' : 'w')
  let done = goesOn ? have : 0
  try {
    for await (const piece of response.body ?? []) {
      await out.write(piece as Uint8Array)
      done += (piece as Uint8Array).length
      onProgress(done, file.size)
    }
  } catch {
    return false // it broke off; what came stays
  } finally {
    await out.close()
  }
  return done >= file.size
}

const halfFile = (incomplete: string, { path, size }: HubFile, have: number): CompressionError =>
  new CompressionError('NETWORK', `${path} broke off after ${have} of ${size} bytes.`, 'Run the command again: it goes on from there.', {
    path,
    have,
    size,
    incomplete,
  })

const wrongHash = ({ path, oid }: HubFile, got: string): CompressionError =>
  new CompressionError(
    'BAD_FILE',
    `${path} came with other bytes than the hub says: ${got.slice(0, 12)} instead of ${oid.slice(0, 12)}.`,
    'What came was thrown away. Run the command again; a proxy in between may change files.',
    { path, oid, got },
  )

/** Links relatively, as the hub's own programs do; copies nothing. */
const link = async (blob: string, pointer: string): Promise<void> => {
  await mkdir(dirname(pointer), { recursive: true })
  await symlink(relative(dirname(pointer), blob), pointer).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
}

/**
 * Brings a file into the cache, in the layout of huggingface_hub: `blobs/<oid>` and a link to it in `snapshots/<commit>`. What was broken off
 * goes on where it ended; what came is hashed before it is put there. Gives the path in the snapshot.
 * Throws NETWORK for half a file, BAD_FILE for a wrong hash, and what the request throws.
 */
export const downloadInto = async (request: DownloadRequest): Promise<string> => {
  const { file, folder, commit } = request
  const pointer = join(folder, 'snapshots', commit, ...file.path.split('/'))
  if (await stands(pointer)) return pointer
  const blob = join(folder, 'blobs', file.oid)
  const incomplete = `${blob}.incomplete`
  if (!(await stands(blob))) {
    await mkdir(dirname(blob), { recursive: true })
    let whole = false
    for (let attempt = 0; attempt < ATTEMPTS && !whole; attempt++) whole = await fetchRest(incomplete, request)
    if (!whole) throw halfFile(incomplete, file, await sizeOfFile(incomplete))
    if (file.size === 0) await (await open(incomplete, 'w')).close()
    const got = await oidOf(incomplete, file)
    if (got !== file.oid) {
      await rm(incomplete, { force: true })
      throw wrongHash(file, got)
    }
    await rename(incomplete, blob)
  }
  await link(blob, pointer)
  return pointer
}
