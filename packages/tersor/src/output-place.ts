import { nodeFileSystem } from '@tersor/formats/internal/files/file-system'
import { checkReplaceable } from '@tersor/formats/internal/files/mark'
import { CompressionError } from '@tersor/tensor'
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'

/**
 * Throws OUTPUT_EXISTS where something stands at the path, or with --overwrite where Tersor did not write it; `file` is what is written
 * inside of a folder whose other files stay.
 */
export const refuseExisting = async (path: string, overwrite: boolean, file = path): Promise<void> => {
  const found = await stat(path).catch(() => undefined)
  if (!found) return
  if (overwrite) return checkReplaceable(nodeFileSystem(), found.isDirectory() ? file : path)
  throw new CompressionError('OUTPUT_EXISTS', `${path} exists already.`, 'Choose another --out, or pass --overwrite to replace it.', {
    path,
  })
}

/** The path without links, and without the part that is not there yet resolved. */
const realPath = async (path: string): Promise<string> => {
  const whole = resolve(path)
  return realpath(whole).catch(async () => (dirname(whole) === whole ? whole : join(await realPath(dirname(whole)), basename(whole))))
}

/** Throws OUTPUT_EXISTS where writing to the output would replace the model that is read, whatever --overwrite says. */
export const refuseSource = async (source: string, out: string): Promise<void> => {
  const [from, to] = [await realPath(source), await realPath(out)]
  const within = (path: string, folder: string): boolean => path === folder || path.startsWith(folder + sep)
  const stands = await stat(to).then(
    () => true,
    () => false,
  )
  const beside = (await stat(from).catch(() => undefined))?.isFile() ? dirname(from) === dirname(to) && sharesName(from, to) : false
  if (!within(from, to) && !(stands && within(to, from)) && !beside) return
  throw new CompressionError(
    'OUTPUT_EXISTS',
    `--out ${out} would replace the model that is read, ${source}.`,
    'Choose an --out elsewhere: a source is never written over.',
    { path: out, source },
  )
}

/** Whether two files are parts of one model, such as NAME.safetensors and NAME.json, or NAME.onnx and NAME.onnx_data. */
const sharesName = (from: string, to: string): boolean => {
  const stem = (path: string): string => basename(path).replace(/(\.safetensors|\.json|\.onnx(_data|\.data)?)$/, '')
  return stem(from) === stem(to)
}
