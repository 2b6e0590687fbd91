import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import * as prettier from 'prettier'

/** Formatted as the repository is, so that the lint passes after a run. */
export const writeFormatted = async (path: string, text: string): Promise<void> => {
  const options = (await prettier.resolveConfig(path)) ?? {}
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, await prettier.format(text, { ...options, filepath: path }))
}
