export type Json = Readonly<Record<string, unknown>>

export const isRecord = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as readonly unknown[]) : [])

/** A key as Keras writes it, or as tfjs does: "pool_size" and "poolSize". */
export const keyOf = (config: Json, key: string): string =>
  Object.hasOwn(config, key) ? key : key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

export const settingOf = (config: Json, key: string): unknown => config[keyOf(config, key)]

/** Numbers of a setting: one for each place, from a list or a number for all; a Keras that wrote arrays of NumPy has them as objects. */
export const placesOf = (config: Json, key: string, count: number, absent = 1): readonly number[] => {
  const value = settingOf(config, key)
  const numbers = listOf(value).map(Number)
  if (numbers.length > 0) return Array.from({ length: count }, (_, i) => numbers[i] ?? numbers[0])
  return Array<number>(count).fill(typeof value === 'number' ? value : absent)
}

/** A word of a setting, "" where it is none; "channels_last" and "channelsLast" are the same. */
export const wordOf = (config: Json, key: string): string => {
  const value = settingOf(config, key)
  return typeof value === 'string' ? value.replace(/_/g, '').toLowerCase() : ''
}

/** A layer, model or activation of a topology. */
export interface Described {
  readonly className: string
  readonly config: unknown
}

export const describedOf = (value: unknown): Described | undefined => {
  if (!isRecord(value)) return undefined
  const className = value.class_name ?? value.className
  return typeof className === 'string' ? { className, config: value.config } : undefined
}

/** The model of a topology, which may stand beside what it was trained with. */
export const modelOf = (topology: unknown): Described | undefined => {
  if (!isRecord(topology)) return undefined
  return describedOf(topology.model_config ?? topology.modelConfig ?? topology)
}
