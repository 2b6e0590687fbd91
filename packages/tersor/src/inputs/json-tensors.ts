import { decodeText } from '@tersor/evaluation/internal/text-bytes'
import { readBytes } from '@tersor/evaluation/internal/read-bytes'
import { isRecord } from '@tersor/formats/internal/files/json-text'
import { CompressionError, fromFloat32, fromIntegers, type Dense } from '@tersor/tensor'

const bad = (path: string, what: string, cause?: unknown): CompressionError =>
  new CompressionError(
    'BAD_DATA',
    `${path} ${what}.`,
    'Write nested lists of numbers, {"input": [[…]]} by the names of inputs, or a list of such objects, one a batch.',
    { path },
    cause,
  )

/** Parses a .json file. Throws NOT_FOUND, DISK and BAD_DATA. */
export const readJson = async (path: string): Promise<unknown> => {
  const text = decodeText(path, await readBytes(path))
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw bad(path, `is no JSON: ${(cause as Error).message}`, cause)
  }
}

/** Nested lists of one shape, as numbers in a row. */
const flattened = (path: string, name: string, value: unknown): { readonly shape: number[]; readonly numbers: number[] } => {
  const shape: number[] = []
  for (let at = value; Array.isArray(at); at = at[0] as unknown) shape.push(at.length)
  const numbers: number[] = []
  const take = (each: unknown, axis: number): void => {
    if (axis === shape.length) {
      if (typeof each !== 'number' && typeof each !== 'boolean')
        throw bad(path, `holds ${JSON.stringify(each)?.slice(0, 40)} in "${name}", no number`)
      numbers.push(Number(each))
      return
    }
    if (!Array.isArray(each) || each.length !== shape[axis]) throw bad(path, `has lists of different lengths in "${name}"`)
    for (const inner of each) take(inner, axis + 1)
  }
  take(value, 0)
  return { shape, numbers }
}

/** Tensors by name: integers where all numbers are, floats otherwise. */
const tensorOf = (path: string, name: string, value: unknown, isFloat: boolean): Dense => {
  const { shape, numbers } = flattened(path, name, value)
  return isFloat ? fromFloat32(Float32Array.from(numbers), 'f32', shape) : fromIntegers(numbers, 'i32', shape)
}

/**
 * Tensors of a .json file, by the names of a graph's inputs: nested lists (of the first input), an object of them, or a list of such objects,
 * one a batch. Throws BAD_DATA.
 */
export const jsonTensors = (path: string, value: unknown, first: string, isFloat: (input: string) => boolean): Map<string, Dense> => {
  const batches =
    Array.isArray(value) && value.length > 0 && value.every(isRecord) ? value : isRecord(value) ? [value] : [{ [first]: value }]
  const isMany = batches.length > 1
  return new Map(
    batches.flatMap((batch, i) =>
      Object.entries(batch).map(
        ([name, given]) => [isMany ? `${name}.${i}` : name, tensorOf(path, name, given, isFloat(name.replace(/\.\d+$/, '')))] as const,
      ),
    ),
  )
}
