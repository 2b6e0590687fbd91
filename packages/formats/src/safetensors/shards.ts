import { CompressionError, quoted } from '@tersor/tensor'
import { badFile } from '../files/bad-file.js'
import { readSmallFile } from '../files/byte-source.js'
import { diskError, exists, folderOf, isNameBeside, nodeFileSystem, withoutSlash, within, type FileSystem } from '../files/file-system.js'
import { isRecord, parseJson, parseText } from '../files/json-text.js'
import { MAX_HEADER_BYTES } from './header.js'

/** Where each tensor of a sharded model lies: tensor name → path. */
export type ShardIndex = ReadonlyMap<string, string>

interface Found {
  readonly files: readonly string[]
  readonly index?: ShardIndex
}

/** An index maps names to names: it is as long as the headers it stands for. */
export const MAX_INDEX_BYTES = MAX_HEADER_BYTES
/** Open files that any system grants; the largest public models have a few hundred shards. */
export const MAX_SHARDS = 1000

const INDEX = '.index.json'
const WHOLE = 'model.safetensors'

const readIndex = async (path: string, fs: FileSystem): Promise<Found> => {
  const json = parseJson(parseText(await readSmallFile(path, MAX_INDEX_BYTES, fs), path), path, 8)
  const map = isRecord(json) ? json.weight_map : undefined
  if (!isRecord(map)) throw badFile(`${path} has no weight_map.`)
  const entries = Object.entries(map).map(([name, file]) => {
    if (!isNameBeside(file)) throw badFile(`${path} places tensor "${name}" in ${quoted(file)}.`, 'Shards lie beside the index.')
    return [name, folderOf(path) + file] as const
  })
  const index = new Map(entries)
  const files = [...new Set(index.values())]
  if (files.length > MAX_SHARDS)
    throw badFile(`${path} names ${files.length} shards; at most ${MAX_SHARDS} are opened.`, 'Use larger shards.')
  return { files, index }
}

/** The files of a path: itself, or what an index beside or inside it names. Throws NOT_FOUND and BAD_FILE. */
export const findShards = async (path: string, fs: FileSystem = nodeFileSystem()): Promise<Found> => {
  if (path.endsWith(INDEX)) return readIndex(path, fs)
  const isFolder = await fs.stat(path).then(
    stat => stat.isDirectory(),
    () => false,
  )
  const file = isFolder ? within(withoutSlash(path), WHOLE) : path
  if (await exists(fs, file + INDEX)) return readIndex(file + INDEX, fs)
  if (!isFolder || (await exists(fs, file))) return { files: [file] }
  const names = await fs.readdir(path).catch((cause: unknown) => {
    throw diskError(path, cause)
  })
  throw new CompressionError(
    'NOT_FOUND',
    `${path} has neither ${WHOLE} nor ${WHOLE}${INDEX}; it has ${names.slice(0, 8).join(', ') || 'nothing'}.`,
    'Pass the folder of a model, or the path of a .safetensors file.',
    { path, names },
  )
}

/** Every tensor that the index promises must lie where it says. Throws BAD_FILE. */
export const checkIndex = (index: ShardIndex, shards: ReadonlyMap<string, ReadonlyMap<string, unknown>>): void => {
  for (const [name, path] of index)
    if (!shards.get(path)?.has(name))
      throw badFile(`The index places tensor "${name}" in ${path}, which lacks it.`, undefined, { name, path })
}
