import { CompressionError } from '@tersor/tensor'

interface Cores {
  availableParallelism(): number
}

/** Reads how many threads kernels may take: TERSOR_THREADS, or as many as there are cores. Throws BAD_OPTION. */
export const threadCount = (environment: Readonly<Record<string, string | undefined>> = globalThis.process?.env ?? {}): number => {
  const wanted = environment.TERSOR_THREADS
  if (!wanted) return availableThreads()
  const threads = Number(wanted)
  if (Number.isInteger(threads) && threads > 0) return threads
  throw new CompressionError(
    'BAD_OPTION',
    `TERSOR_THREADS is ${wanted}.`,
    'Set a whole number above 0, or leave it out to use all cores.',
    {
      wanted,
    },
  )
}

const availableThreads = (): number => {
  const lookUp = globalThis.process?.getBuiltinModule as ((name: 'node:os') => Cores | undefined) | undefined
  return lookUp?.('node:os')?.availableParallelism() ?? globalThis.navigator?.hardwareConcurrency ?? 1
}
