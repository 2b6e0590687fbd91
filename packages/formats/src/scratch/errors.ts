import type { Fingerprint } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'

export const nothingToResume = (path: string): CompressionError =>
  new CompressionError('RESUME', `There is no stopped run in ${path}.`, 'Leave resume (--resume) out to begin one.', { path })

export const stoppedRun = (path: string): CompressionError =>
  new CompressionError('RESUME', `${path} holds a run that was stopped.`, 'Go on with resume (--resume), or remove it to begin anew.', {
    path,
  })

export const notOurs = (path: string, names: readonly string[]): CompressionError =>
  new CompressionError(
    'OUTPUT_EXISTS',
    `${path} exists and holds ${names.slice(0, 3).join(', ')}.`,
    'Choose another path for unfinished work.',
    { path, names },
  )

export const otherVersion = (path: string, version: number): CompressionError =>
  new CompressionError('RESUME', `The run in ${path} was begun by another version of Tersor.`, 'Remove it to begin anew.', {
    path,
    part: 'version',
    version,
  })

/** Values longer than this are digests or whole pipelines, and only said to differ. */
const LONGEST_SHOWN = 160

const shown = (value: string | undefined): string => (value === undefined ? 'nothing' : value)

/** The error that names the first part in which two runs differ; undefined where they are the same. */
export const differenceOf = (path: string, before: Fingerprint, now: Fingerprint): CompressionError | undefined => {
  const parts = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter(name => before[name] !== now[name])
  if (parts.length === 0) return undefined
  const [part] = parts
  const [was, is] = [shown(before[part]), shown(now[part])]
  const isDigest = /^[0-9a-f]{64}$/.test(was) || /^[0-9a-f]{64}$/.test(is)
  const values = isDigest || was.length + is.length > LONGEST_SHOWN ? '' : `: ${was} then, ${is} now`
  return new CompressionError(
    'RESUME',
    `The run in ${path} was begun with another ${parts.join(', ')}${values}.`,
    'Run it as it was begun, or remove the folder to begin anew.',
    { path, parts, part, before: before[part], now: now[part] },
  )
}
