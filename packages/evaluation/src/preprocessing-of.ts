import { CompressionError } from '@tersor/tensor'
import { LARGEST_SIDE, type Preprocessing } from './preprocessing.js'
import { readBytes } from './read-bytes.js'

const FIELDS: readonly string[] = ['size', 'mean', 'deviation', 'layout']

const bad = (path: string, what: string, cause?: unknown): CompressionError =>
  new CompressionError('BAD_DATA', `${path} ${what}.`, `It is an object with some of ${FIELDS.join(', ')}, as preprocess takes them.`, { path }, cause) // prettier-ignore

/** Reads what a network wants done to pixels from a JSON file; throws NOT_FOUND, DISK, and BAD_DATA for what is no such declaration. */
export const readPreprocessing = async (path: string): Promise<Partial<Preprocessing>> => {
  const bytes = await readBytes(path)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(bytes))
  } catch (cause) {
    throw bad(path, 'is no JSON', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(path, 'is no object')
  const stranger = Object.keys(value).find(key => !FIELDS.includes(key))
  if (stranger !== undefined) throw bad(path, `has a field "${stranger}"`)
  const isNumbers = (field: unknown): boolean =>
    field === undefined || (Array.isArray(field) && field.every(each => typeof each === 'number'))
  const { size, mean, deviation } = value as Record<string, unknown>
  if (![size, mean, deviation].every(isNumbers)) throw bad(path, 'has a size, mean or deviation that is no list of numbers')
  return value as Partial<Preprocessing>
}

const isExtent = (extent: unknown): extent is number => typeof extent === 'number' && extent > 0 && extent <= LARGEST_SIDE

/**
 * What an imported graph wants done to pixels: as declared, the layout and size by its input's shape, (batch, height, width, 3) or
 * (batch, 3, height, width), where nothing is declared. Throws UNSUPPORTED for an input that is of no images, or of any size.
 */
export const preprocessingOf = (
  shape: readonly (number | string | null)[] | undefined,
  declared: Partial<Preprocessing> = {},
): Preprocessing => {
  const layout = declared.layout ?? (shape?.[1] === 3 && shape[3] !== 3 ? 'nchw' : 'nhwc')
  const [height, width] = declared.size ?? (layout === 'nchw' ? [shape?.[2], shape?.[3]] : [shape?.[1], shape?.[2]])
  const channels = layout === 'nchw' ? shape?.[1] : shape?.[3]
  if (shape?.length === 4 && channels === 3 && isExtent(height) && isExtent(width)) return { ...declared, layout, size: [height, width] }
  throw new CompressionError(
    'UNSUPPORTED',
    `The graph's input is ${JSON.stringify(shape)}, no images of three channels and one size.`,
    'Declare size and layout in preprocessing.json beside the model, or measure it from code: topOneAgreement of @tersor/evaluation.',
    { shape },
  )
}
