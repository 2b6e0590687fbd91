import { CompressionError } from '@tersor/tensor'
import { readdir, stat } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { hubError, hubFetch } from './hub-fetch.js'
import { hubSettings } from './hub-settings.js'

const NAME = /^(hf:)?([A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*)$/

/** "org/name" of what --push was given; throws BAD_OPTION. */
export const pushName = (text: string): string => {
  const name = NAME.exec(text)?.[2]
  if (name !== undefined) return name
  throw new CompressionError('BAD_OPTION', `--push ${text} is no name on the hub.`, 'Write --push org/name.', { push: text })
}

const filesBelow = async (path: string): Promise<readonly (readonly [name: string, path: string])[]> => {
  if (!(await stat(path)).isDirectory()) return [[basename(path), path]]
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile() && !entry.name.startsWith('.'))
    .map(entry => join(entry.parentPath, entry.name))
    .map(file => [relative(path, file).replaceAll('\\', '/'), file] as const)
}

/** Throws BAD_OPTION where no token is at hand: before anything is done. */
export const requireToken = async (): Promise<string> => {
  const { token, offline } = await hubSettings()
  if (offline)
    throw new CompressionError(
      'BAD_OPTION',
      '--push needs the hub, and HF_HUB_OFFLINE is set.',
      'Unset HF_HUB_OFFLINE, or leave --push out.',
    )
  if (token !== undefined) return token
  throw new CompressionError(
    'BAD_OPTION',
    '--push needs a token, and there is none.',
    'Set HF_TOKEN to one that may write, or log in with `hf auth login`.',
  )
}

/**
 * Puts an output into a repository on the hub, which is made, private, where there is none. Gives its address.
 * Throws BAD_OPTION without a token and NETWORK where the hub refuses.
 */
export const pushOutput = async (path: string, name: string, signal: AbortSignal): Promise<string> => {
  const accessToken = await requireToken()
  const { endpoint: hubUrl } = await hubSettings()
  const { createRepo, uploadFiles } = await import('@huggingface/hub')
  const repo = { type: 'model' as const, name }
  const asked = { repo, accessToken, hubUrl, fetch: hubFetch(name, signal) }
  await createRepo({ ...asked, visibility: 'private' }).catch((cause: unknown) => {
    const status = (cause as { readonly fields?: { readonly status?: number } }).fields?.status
    if (status !== 409) throw cause // 409: it is there
  })
  const files = (await filesBelow(path)).map(([file, at]) => ({ path: file, content: pathToFileURL(at) }))
  await uploadFiles({ ...asked, files, commitTitle: 'Upload what Tersor compressed', abortSignal: signal }).catch((cause: unknown) => {
    signal.throwIfAborted()
    const status = (cause as { readonly statusCode?: number }).statusCode
    throw status === undefined ? cause : hubError(name, status, cause)
  })
  return `${hubUrl}/${name}`
}
