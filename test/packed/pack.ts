import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readPackages, ROOT } from '../workspace.js'

/** A package as npm would publish it. */
export interface Tarball {
  readonly name: string
  readonly filename: string
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

/** Builds and packs every package into a folder. */
export const pack = async (into: string): Promise<readonly Tarball[]> => {
  await run(ROOT, 'npm', ['run', 'build', '--', '--output-logs=errors-only'])
  const chosen = packages.flatMap(each => ['-w', `packages/${each.folder}`])
  return JSON.parse(await run(ROOT, 'npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', into, ...chosen])) as Tarball[]
}

/** Dependencies on what was packed, beside a folder one below. */
export const packed = (tarballs: readonly Tarball[], except: readonly string[] = []): Record<string, string> =>
  Object.fromEntries(tarballs.filter(({ name }) => !except.includes(name)).map(({ name, filename }) => [name, `file:../${filename}`]))

/** A new folder of a user with dependencies. */
export const project = async (folder: string, manifest: object, install: readonly string[] = INSTALL): Promise<void> => {
  await mkdir(folder)
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'project', private: true, ...manifest }))
  await run(folder, 'npm', install)
}
