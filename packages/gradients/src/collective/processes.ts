import { CompressionError } from '@tersor/tensor'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collectiveOver, type Collective, type Link } from './collective.js'
import { sockets } from './sockets.js'

const VARIABLE = 'TERSOR_WORKER'

export interface LaunchOptions {
  /** How many workers. */
  readonly size: number
  /** What Node runs in each, with the arguments behind it. */
  readonly script: string
  readonly args?: readonly string[]
  /** Options of Node itself. */
  readonly node?: readonly string[]
}

/** Starts so many processes of one script, which find each other by `processes()`; the code with which each ended, by rank. Throws BAD_OPTION. */
export const launch = async ({ size, script, args = [], node = process.execArgv }: LaunchOptions): Promise<readonly number[]> => {
  if (!Number.isInteger(size) || size < 1)
    throw new CompressionError('BAD_OPTION', `launch got a size of ${size}.`, 'Pass a positive integer: the workers.', { size })
  const folder = await mkdtemp(join(tmpdir(), 'tersor-workers-'))
  try {
    const children = Array.from({ length: size }, (_, rank) =>
      spawn(process.execPath, [...node, script, ...args], {
        stdio: 'inherit',
        env: { ...process.env, [VARIABLE]: JSON.stringify({ rank, size, folder }) },
      }),
    )
    return await Promise.all(children.map(child => new Promise<number>(resolve => child.once('exit', (code, signal) => resolve(code ?? (signal ? 1 : 0)))))) // prettier-ignore
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Whether this process is one that `launch` started. */
export const isLaunched = (): boolean => process.env[VARIABLE] !== undefined

/** The workers that `launch` started, this one among them; `through` may make the link slower. Throws NOT_FOUND where it started none, and PEER_LOST. */
export const processes = async (through: (link: Link) => Link = link => link): Promise<Collective> => {
  const given = process.env[VARIABLE]
  if (given === undefined)
    throw new CompressionError('NOT_FOUND', 'This process was not started by launch.', 'Start the workers with launch({ size, script }).')
  const { rank, size, folder } = JSON.parse(given) as { readonly rank: number; readonly size: number; readonly folder: string }
  const addresses = Array.from({ length: size }, (_, i) => join(folder, `${i}.sock`))
  return collectiveOver(through(await sockets({ rank, addresses })))
}
