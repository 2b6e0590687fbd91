import { callText, recorded, type Description, type Recorded, type RecordedOption, type RecordedOptions } from '@tersor/core'
import { listMethods } from './methods.js'

/** What Tersor's own methods say of themselves, by their names. */
const descriptionOf = (method: string): Description | undefined =>
  listMethods().find(({ factory }) => factory.description.name === method && ['method', 'pass'].includes(factory.description.kind))?.factory
    .description

/** The options of a step that are not what it does by itself. */
const chosenOptions = (method: string, options: RecordedOptions): RecordedOptions => {
  const table = descriptionOf(method)?.options ?? {}
  const defaults = recorded(Object.fromEntries(Object.entries(table).map(([name, { default: initial }]) => [name, initial])))
  return Object.fromEntries(Object.entries(options).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(defaults[name])))
}

/** A step as a user would write it: only what differs from its defaults. */
export const stepText = (method: string, options: RecordedOptions): string =>
  callText({ name: method, options: chosenOptions(method, options) })

/** The options alone: "bits=3 group=32". */
export const chosenText = (method: string, options: RecordedOptions): string =>
  Object.entries(chosenOptions(method, options))
    .map(([name, value]) => callText({ name: '', options: { [name]: value } }).slice(1, -1))
    .join(' ')

/** A word, number or truth as the command line reads it back: words that look like another are quoted. */
export const scalarSource = (value: string | number | boolean): string => {
  const text = String(value)
  const isWord = /^[^,"'()[\]\s]+$/.test(text) && !Number.isFinite(Number(text)) && text !== 'true' && text !== 'false'
  if (typeof value !== 'string' || isWord) return text
  return text.includes('"') ? `'${text}'` : `"${text}"`
}

const valueSource = (value: RecordedOption): string => {
  if (Array.isArray(value)) return `[${(value as readonly RecordedOption[]).map(valueSource).join(', ')}]`
  if (typeof value === 'object') return stepSource((value as Recorded).name, (value as Recorded).options)
  return scalarSource(value)
}

/** A step as the command line reads it back, options that stand at their defaults left out. */
export const stepSource = (method: string, options: RecordedOptions): string => {
  const given = Object.entries(chosenOptions(method, options)).map(([name, value]) => `${name}=${valueSource(value)}`)
  return given.length === 0 ? method : `${method}(${given.join(', ')})`
}
