import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readPackages } from '../workspace.js'

/** A package as npm would publish it. */
export interface Tarball {
  readonly name: string
  readonly filename: string
  readonly path: string
  readonly files: readonly { readonly path: string }[]
}

export const packages = readPackages().filter(({ manifest }) => !manifest.private)

/** What a user's install says nothing about. */
export const INSTALL = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']

/** npm tells its scripts its own settings; a project of a user has none of them, nor our export condition. */
const cleanEnvironment = (): NodeJS.ProcessEnv => {
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS$|NODE_ENV$|JEST_|TERSOR_)/i.test(name))
  return { ...Object.fromEntries(kept), NO_COLOR: '1' }
}

/** What a command writes to stdout; both of its streams are told where it fails. */
export const run = async (cwd: string, command: string, args: readonly string[]): Promise<string> => {
  const { stdout } = await runBoth(cwd, command, args)
  return stdout
}

/** The same with what it writes to stderr. */
export const runBoth = async (cwd: string, command: string, args: readonly string[]): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(command, [...args], { cwd, env: cleanEnvironment(), maxBuffer: 2 ** 26 })

/** Every package as `pack-once.mjs` packed it. */
export const tarballs = async (): Promise<readonly Tarball[]> => {
  const folder = process.env.TERSOR_TARBALLS!
  const listed = JSON.parse(await readFile(join(folder, 'tarballs.json'), 'utf8')) as Tarball[]
  return listed.map(each => ({ ...each, path: join(folder, each.filename) }))
}

/** Dependencies on what was packed. */
export const packed = async (except: readonly string[] = []): Promise<Record<string, string>> =>
  Object.fromEntries((await tarballs()).filter(({ name }) => !except.includes(name)).map(({ name, path }) => [name, `file:${path}`]))

/** A new folder of a user with dependencies. */
export const project = async (folder: string, manifest: object, install: readonly string[] = INSTALL): Promise<void> => {
  await mkdir(folder)
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'project', private: true, ...manifest }))
  await run(folder, 'npm', install)
}
