import type { Step } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Loads the pipeline that a TypeScript or JavaScript file exports by default; throws NOT_FOUND or BAD_OPTION. */
export const loadConfig = async (path: string): Promise<Step> => {
  const file = resolve(path)
  await access(file).catch(cause => {
    throw new CompressionError(
      'NOT_FOUND',
      `There is no config file ${file}.`,
      'Pass the path of a file that exports a pipeline.',
      { path },
      cause,
    )
  })
  let loaded: unknown
  try {
    const { createJiti } = await import('jiti')
    loaded = await createJiti(pathToFileURL(file).href).import(file, { default: true })
  } catch (cause) {
    throw new CompressionError(
      'BAD_OPTION',
      `${path} cannot be loaded: ${(cause as Error).message}`,
      'Run it with node to see where it fails.',
      { path },
      cause,
    )
  }
  const kind = (loaded as Partial<Step> | undefined)?.kind
  if (kind === 'pass' || kind === 'method') return loaded as Step
  throw new CompressionError(
    'BAD_OPTION',
    `${path} does not export a pipeline by default.`,
    'End it with: export default pipeline(wanda({ sparsity: 0.5 }), …)',
    { path },
  )
}
