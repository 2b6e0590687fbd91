import { CompressionError } from '@tersor/tensor'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { stands } from '../kind-of.js'
import { downloadInto, type HubFile } from './download.js'
import { filesOfModel } from './files-of-model.js'
import { hubFetch } from './hub-fetch.js'
import { parseHubName, type HubName } from './hub-name.js'
import { hubSettings, type HubSettings } from './hub-settings.js'

export interface LocalCopyOptions {
  readonly signal: AbortSignal
  /** Bytes of a file that have come, of how many. */
  readonly onProgress: (done: number, of: number, file: string) => void
}

const COMMIT = /^[0-9a-f]{40}$/

const folderOf = ({ cache }: HubSettings, { type, name }: HubName): string => join(cache, [`${type}s`, ...name.split('/')].join('--'))

const fileOf = (snapshot: string, { file }: HubName): string => (file === undefined ? snapshot : join(snapshot, ...file.split('/')))

const notInCache = (text: string): CompressionError =>
  new CompressionError(
    'NOT_FOUND',
    `${text} is not in the cache, and HF_HUB_OFFLINE keeps from fetching it.`,
    'Unset HF_HUB_OFFLINE once, or check HF_HOME and HF_HUB_CACHE.',
    { name: text },
  )

/** What the cache has of a name. */
const cached = async (text: string, name: HubName, settings: HubSettings): Promise<string> => {
  const folder = folderOf(settings, name)
  const ref = await readFile(join(folder, 'refs', ...name.revision.split('/')), 'utf8').catch(() => undefined)
  const commit = COMMIT.test(name.revision) ? name.revision : ref?.trim()
  const path = commit === undefined ? undefined : fileOf(join(folder, 'snapshots', commit), name)
  if (path === undefined || !(await stands(path))) throw notInCache(text)
  return path
}

/** The commit of a revision, and the files in it. */
const listed = async (name: HubName, settings: HubSettings, fetch: typeof globalThis.fetch) => {
  const { datasetInfo, listFiles, modelInfo } = await import('@huggingface/hub')
  const access = { hubUrl: settings.endpoint, fetch, ...(settings.token ? { accessToken: settings.token } : {}) }
  const asked = { ...access, name: name.name, revision: name.revision, additionalFields: ['sha' as const] }
  const { sha } = (name.type === 'model' ? await modelInfo(asked) : await datasetInfo(asked)) as { readonly sha: string }
  const files: HubFile[] = []
  const repo = { type: name.type, name: name.name }
  for await (const { type, path, size, oid, lfs } of listFiles({ ...access, repo, revision: sha, recursive: true }))
    if (type === 'file') files.push({ path, size: lfs?.size ?? size, oid: lfs?.oid ?? oid!, isLarge: lfs !== undefined })
  return { commit: sha, files }
}

/** The files that a name stands for. Throws NOT_FOUND and UNSUPPORTED. */
const chosen = (text: string, { type, name, file }: HubName, files: readonly HubFile[]): readonly HubFile[] => {
  const paths = files.map(({ path }) => path)
  if (file === undefined) {
    if (type === 'dataset')
      throw new CompressionError('BAD_OPTION', `${text} names no file.`, `Name one of its files: ${paths.slice(0, 5).join(', ')}`, {
        name: text,
      })
    const wanted = new Set(filesOfModel(name, paths))
    return files.filter(({ path }) => wanted.has(path))
  }
  const found = files.filter(({ path }) => path === file || path.startsWith(`${file}/`))
  if (found.length > 0) return found
  const similar = paths.filter(path => path.split('.').at(-1) === file.split('.').at(-1)).slice(0, 5)
  throw new CompressionError(
    'NOT_FOUND',
    `${name} has no ${file}.`,
    `It has ${(similar.length > 0 ? similar : paths.slice(0, 5)).join(', ')}.`,
    { name, file },
  )
}

/**
 * The path of what a name on the hub stands for: a model's folder, or a file, in the cache that the hub's own programs use; fetched where it
 * is not there yet. A name with a commit that is there asks nobody.
 * Throws BAD_OPTION for what is no name, NOT_FOUND, NETWORK, BAD_FILE, UNSUPPORTED, or the signal's reason.
 */
export const localCopy = async (text: string, { signal, onProgress }: LocalCopyOptions): Promise<string> => {
  const name = parseHubName(text)
  const settings = await hubSettings()
  if (settings.offline) return cached(text, name, settings)
  const fetch = hubFetch(text, signal)
  const { commit, files } = await listed(name, settings, fetch)
  const wanted = chosen(text, name, files)
  const folder = folderOf(settings, name)
  const headers = settings.token ? { Authorization: `Bearer ${settings.token}` } : {}
  const repo = `${settings.endpoint}/${name.type === 'dataset' ? 'datasets/' : ''}${name.name}`
  for (const file of wanted) {
    const url = `${repo}/resolve/${commit}/${file.path.split('/').map(encodeURIComponent).join('/')}`
    await downloadInto({ url, file, folder, commit, fetch, headers, onProgress: (done, of) => onProgress(done, of, file.path) })
  }
  const ref = join(folder, 'refs', ...name.revision.split('/'))
  if (!COMMIT.test(name.revision)) {
    await mkdir(dirname(ref), { recursive: true })
    await writeFile(ref, commit)
  }
  const path = fileOf(join(folder, 'snapshots', commit), name)
  return name.file === undefined ? onlyGguf(path) : path
}

/** A repository of one GGUF file is that file. */
const onlyGguf = async (folder: string): Promise<string> => {
  const names = await readdir(folder)
  const [first] = names.filter(name => name.endsWith('.gguf'))
  return first !== undefined && !names.some(name => name.endsWith('.safetensors')) ? join(folder, first) : folder
}
