import { note, type Terminal } from '../output.js'
import { progressOn } from '../progress.js'
import { isHubName } from './hub-name.js'

/** Names on the hub by the paths of their copies: recipes and cards say the name. */
export type HubNames = ReadonlyMap<string, string>

/** Options that name what is read; all others are left as they are. */
const READ_OPTIONS = ['calibrate', 'data', 'evaluate', 'imatrix', 'reference'] as const

/** Puts a copy in the place of each name on the hub, among arguments and options; gives the copies and what they are of. */
export const withLocalCopies = async (
  terminal: Terminal,
  signal: AbortSignal,
  given: { readonly args: readonly unknown[]; readonly options: Readonly<Record<string, unknown>> },
): Promise<{ readonly args: readonly unknown[]; readonly options: Readonly<Record<string, unknown>>; readonly names: HubNames }> => {
  const names = new Map<string, string>()
  const progress = progressOn(terminal)
  const local = async (value: unknown): Promise<unknown> => {
    if (Array.isArray(value)) return Promise.all(value.map(local))
    if (typeof value !== 'string' || !isHubName(value)) return value
    const { localCopy } = await import('./local-copy.js')
    const path = await localCopy(value, { signal, onProgress: (done, of, file) => progress.advance(done, of, file) })
    names.set(path, value)
    note(terminal, `${value}: ${path}`)
    return path
  }
  try {
    const args: unknown[] = []
    for (const each of given.args) args.push(await local(each))
    const options: Record<string, unknown> = {}
    for (const name of READ_OPTIONS) if (given.options[name] !== undefined) options[name] = await local(given.options[name])
    return { args, options, names }
  } finally {
    progress.stop()
  }
}
