/** The link table: step time and bytes of each exchange at 100 Mbit/s and 1 Gbit/s, four processes; `npm run claims -- gradients/link`, on a quiet machine. */
import { launch } from '@tersor/gradients/processes'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Claim, Side } from '../training/claim.js'
import { LINK_EXCHANGES } from './link-exchanges.js'

const [WORKERS, STEPS] = [4, 5]
const SPEEDS = { 'ms at 100 Mbit/s': 1e8, 'ms at 1 Gbit/s': 1e9 } as const
const NODE = ['--conditions=@tersor/source', '--import', 'tsx']

const measured = async (name: string, bitsPerSecond: number): Promise<{ readonly ms: number; readonly kilobytes: number }> => {
  const folder = await mkdtemp(join(tmpdir(), 'tersor-link-'))
  try {
    const file = join(folder, 'told.json')
    const codes = await launch({ size: WORKERS, script: join(import.meta.dirname, 'link-worker.ts'), args: [name, String(bitsPerSecond), String(STEPS), file], node: NODE }) // prettier-ignore
    if (codes.some(code => code !== 0)) throw new Error(`Workers of ${name} ended with ${codes.join(', ')}.`)
    return JSON.parse(await readFile(file, 'utf8')) as { ms: number; kilobytes: number }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const side = (name: string): Side => ({
  name,
  fixed: true,
  measure: async () => {
    const times: Record<string, number> = {}
    for (const [figure, speed] of Object.entries(SPEEDS)) {
      const { ms, kilobytes } = await measured(name, speed)
      Object.assign(times, { [figure]: ms, 'kilobytes a step': kilobytes })
    }
    return times
  },
})

const TIME = { better: 'lower', digits: 0, tie: 0 } as const

export const LINK: readonly Claim[] = [
  {
    name: 'link',
    alone: true,
    says: `gradients of the bundled model's 3.4 M numbers between ${WORKERS} processes of one machine, each of which sends so many bits a second: a step of exchange by itself, without the network's, in ms, and kilobytes that each sends`, // prettier-ignore
    figures: { 'ms at 100 Mbit/s': TIME, 'ms at 1 Gbit/s': TIME, 'kilobytes a step': { better: 'lower', digits: 1, tie: 0 } },
    sides: () => Object.keys(LINK_EXCHANGES).map(side),
    orders: ['top-k 1 %', 'random-k 1 %', 'sign', 'PowerSGD rank 4', 'DGC 0.1 %', '1-bit Adam'].map(first => ({ figure: 'ms at 100 Mbit/s', first, than: 'dense' })), // prettier-ignore
  },
]
