import { locateModel } from '@tersor/models/open-model'
import { stat } from 'node:fs/promises'
import { bytesText, note, paint, type Terminal } from './output.js'

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  )

/** What the weights of a model take on the disk: the bytes of the files that hold them, headers included. */
export const weightBytes = async (path: string): Promise<number> => {
  const { format, path: found } = await locateModel(path)
  const files = (await format.weightFiles?.(found)) ?? [found]
  return (await Promise.all(files.map(sizeOf))).reduce((sum, size) => sum + size, 0)
}

/** Says where a result is no smaller than its source, and why: formats hold some numbers wider than others do. */
export const noteGrowth = (terminal: Terminal, before: number, after: number, reason?: string): void => {
  if (after < before) return
  const text = `the result is not smaller than its source: ${bytesText(before)} → ${bytesText(after)}`
  note(terminal, paint(terminal, `note ${text}${reason === undefined ? '' : `: ${reason}`}`, 'yellow'))
}
