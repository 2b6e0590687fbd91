import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { bytesText, note, paint, type Terminal } from './output.js'

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  )

const sumOf = async (paths: readonly string[]): Promise<number> =>
  (await Promise.all(paths.map(sizeOf))).reduce((sum, size) => sum + size, 0)

/** Files beside an ONNX file that are named after it hold its data. */
const onnxFiles = async (path: string): Promise<readonly string[]> => {
  const name = basename(path)
  const siblings = await readdir(dirname(path))
  return [path, ...siblings.filter(other => other !== name && other.startsWith(name)).map(other => join(dirname(path), other))]
}

const PART = /-\d{5}-of-(\d{5})\.gguf$/

/** All parts of a split GGUF file. */
const ggufFiles = async (path: string): Promise<readonly string[]> => {
  const count = PART.exec(path)?.[1]
  if (count === undefined) return [path]
  return Array.from({ length: Number(count) }, (_, i) => path.replace(PART, `-${String(i + 1).padStart(5, '0')}-of-${count}.gguf`))
}

/** The shards of a tfjs model, which its manifest names. */
const tfjsFiles = async (path: string): Promise<readonly string[]> => {
  const json = JSON.parse(await readFile(path, 'utf8')) as { weightsManifest?: readonly { paths: readonly string[] }[] }
  const groups = json.weightsManifest ?? (Array.isArray(json) ? (json as readonly { paths: readonly string[] }[]) : [])
  return [path, ...groups.flatMap(({ paths }) => paths.map(name => join(dirname(path), name)))]
}

const folderFiles = async (path: string): Promise<readonly string[]> => {
  const names = await readdir(path)
  const weights = names.filter(name => name.endsWith('.safetensors'))
  if (weights.length > 0) return weights.map(name => join(path, name))
  const graphs = await readdir(join(path, 'onnx')).catch(() => [])
  const [graph] = graphs.filter(name => name.endsWith('.onnx')).sort()
  if (graph !== undefined) return onnxFiles(join(path, 'onnx', graph))
  return names.includes('model.json') ? tfjsFiles(join(path, 'model.json')) : []
}

/** How the files that hold a model's weights are found, by the end of its path. */
const FILES: Readonly<Record<string, (path: string) => Promise<readonly string[]>>> = {
  '.onnx': onnxFiles,
  '.gguf': ggufFiles,
  '.json': tfjsFiles,
}

/** What the weights of a model take on the disk: the bytes of the files that hold them, headers included. */
export const weightBytes = async (path: string): Promise<number> => {
  if ((await stat(path)).isDirectory()) return sumOf(await folderFiles(path))
  const end = Object.keys(FILES).find(ending => path.toLowerCase().endsWith(ending))
  return sumOf(end === undefined ? [path] : await FILES[end](path))
}

/** Says where a result is no smaller than its source: formats hold some numbers wider than others do. */
export const noteGrowth = (terminal: Terminal, before: number, after: number): void => {
  if (after < before) return
  const text = `the result is not smaller than its source: ${bytesText(before)} → ${bytesText(after)}`
  note(terminal, `${paint(terminal, 'note', 'yellow')} ${text}`)
}
