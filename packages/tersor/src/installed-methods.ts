import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { methodsOf, type ListedMethod } from './methods.js'

/** Packages of others are called so, by themselves or in a scope, and say so in their package.json. */
const NAME = /^tersor-/
const KEYWORD = 'tersor-method'

const entriesOf = (folder: string): Promise<readonly string[]> => readdir(folder).catch(() => [])

/** A folder and those that it lies in, the innermost first. */
const upwards = (folder: string): readonly string[] => {
  const above = dirname(folder)
  return above === folder ? [folder] : [folder, ...upwards(above)]
}

const candidatesIn = async (modules: string): Promise<readonly string[]> => {
  const names = await entriesOf(modules)
  const scoped = await Promise.all(
    names
      .filter(name => name.startsWith('@'))
      .map(async scope => (await entriesOf(join(modules, scope))).filter(name => NAME.test(name)).map(name => `${scope}/${name}`)),
  )
  return [...names.filter(name => NAME.test(name)), ...scoped.flat()]
}

const isOurs = async (path: string): Promise<boolean> => {
  try {
    const { keywords } = JSON.parse(await readFile(join(path, 'package.json'), 'utf8')) as { keywords?: unknown }
    return Array.isArray(keywords) && keywords.includes(KEYWORD)
  } catch {
    return false
  }
}

/** Names of packages with methods that a folder sees, in the order of their names. */
const packagesSeen = async (folder: string): Promise<readonly string[]> => {
  const found = new Set<string>()
  for (const modules of upwards(resolve(folder)).map(each => join(each, 'node_modules')))
    for (const name of await candidatesIn(modules)) if (!found.has(name) && (await isOurs(join(modules, name)))) found.add(name)
  return [...found].sort()
}

/** Methods of packages of others that are installed where the command runs; what cannot be imported is named with its reason. */
export const installedMethods = async (
  folder: string,
): Promise<{ readonly methods: readonly ListedMethod[]; readonly broken: readonly string[] }> => {
  const [methods, broken]: [ListedMethod[], string[]] = [[], []]
  for (const name of await packagesSeen(folder)) {
    try {
      methods.push(...(await methodsOf(name, folder)))
    } catch (error) {
      broken.push((error as Error).message.split('\n')[0])
    }
  }
  return { methods, broken }
}
