import { stat } from 'node:fs/promises'

/** What stands at a path; undefined where nothing does. */
export const kindOf = async (path: string): Promise<'file' | 'folder' | undefined> => {
  const found = await stat(path).catch(() => undefined)
  return found && (found.isDirectory() ? 'folder' : 'file')
}

/** Whether something does. */
export const stands = async (path: string): Promise<boolean> => (await kindOf(path)) !== undefined
