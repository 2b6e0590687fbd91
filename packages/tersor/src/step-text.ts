import { callText, recorded, type Description, type RecordedOptions } from '@tersor/core'
import { listMethods } from './methods.js'

/** What Tersor's own methods say of themselves, by their names. */
const descriptionOf = (method: string): Description | undefined =>
  listMethods().find(({ factory }) => factory.description.name === method && ['method', 'pass'].includes(factory.description.kind))?.factory
    .description

/** The options of a step that are not what it does by itself. */
export const chosenOptions = (method: string, options: RecordedOptions): RecordedOptions => {
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
