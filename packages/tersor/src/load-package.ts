import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Gives a package, or undefined where it is not installed. */
export type LoadPackage = (name: string) => Promise<unknown>

/** Loads a package from where the command runs, else from where Tersor stands; undefined where it is installed in neither. */
export const loadPackage: LoadPackage = async name => {
  const places = [join(process.cwd(), 'package.json'), process.argv[1] ?? '']
  for (const place of places) {
    try {
      return (await import(pathToFileURL(createRequire(place).resolve(name)).href)) as unknown
    } catch {
      continue
    }
  }
  return undefined
}
