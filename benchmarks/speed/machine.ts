import { availableParallelism, cpus, loadavg, totalmem, type } from 'node:os'

export interface Machine {
  /** Part of the name of the file of results; the environment's TERSOR_MACHINE names it otherwise. */
  readonly name: string
  readonly processor: string
  readonly cores: number
  /** GiB. */
  readonly memory: number
  readonly system: string
  readonly node: string
}

export const machineOf = (): Machine => {
  const cores = availableParallelism()
  const processor = cpus()[0]?.model.trim() ?? 'unknown processor'
  const slug = `${processor}-${cores}`.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  const name = process.env.TERSOR_MACHINE ?? slug
  return { name, processor, cores, memory: Math.round(totalmem() / 2 ** 30), system: type(), node: process.version }
}

/** Processes that ran or waited, on average over the last minute. */
export const loadNow = (): number => Number(loadavg()[0].toFixed(2))
