import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The settings that users of the hub have in their environment, by the names that its own programs take. */
export interface HubSettings {
  /** HF_ENDPOINT. */
  readonly endpoint: string
  /** HF_HUB_CACHE, or the folder hub in HF_HOME. */
  readonly cache: string
  /** HF_HUB_OFFLINE: what is in the cache, and nothing else. */
  readonly offline: boolean
  /** HF_TOKEN, or what `hf auth login` left. */
  readonly token?: string
}

const isSet = (value: string | undefined): boolean => ['1', 'on', 'yes', 'true'].includes((value ?? '').toLowerCase())

/** Reads them as they are now. */
export const hubSettings = async (env: NodeJS.ProcessEnv = process.env): Promise<HubSettings> => {
  const home = env.HF_HOME ?? join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface')
  const stored = (): Promise<string | undefined> =>
    readFile(env.HF_TOKEN_PATH ?? join(home, 'token'), 'utf8').then(
      text => text.trim() || undefined,
      () => undefined,
    )
  const token = env.HF_TOKEN ?? env.HUGGING_FACE_HUB_TOKEN ?? (isSet(env.HF_HUB_DISABLE_IMPLICIT_TOKEN) ? undefined : await stored())
  return {
    endpoint: (env.HF_ENDPOINT ?? 'https://huggingface.co').replace(/\/+$/, ''),
    cache: env.HF_HUB_CACHE ?? env.HUGGINGFACE_HUB_CACHE ?? join(home, 'hub'),
    offline: isSet(env.HF_HUB_OFFLINE),
    ...(token ? { token } : {}),
  }
}
