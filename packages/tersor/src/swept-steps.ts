import type { StepCall, StepValue } from './step.js'
import { parseStep } from './step.js'
import { listMethods } from './methods.js'
import { scalarSource } from './step-text.js'

/** Whether an option of a step takes a list by itself, so that a list of it is one value. */
const takesList = (name: string, option: string): boolean =>
  listMethods().some(({ factory: { description } }) => description.name === name && description.options[option]?.list === true)

const isCall = (value: StepValue): value is StepCall => typeof value === 'object' && 'options' in value

/** Every way to choose one of each list. */
const combinations = <T>(choices: readonly (readonly T[])[]): readonly (readonly T[])[] =>
  choices.reduce<readonly (readonly T[])[]>((made, each) => made.flatMap(chosen => each.map(one => [...chosen, one])), [[]])

/** The values that an option is tried with. */
const valuesOf = (name: string, option: string, value: StepValue): readonly StepValue[] => {
  if (Array.isArray(value)) {
    const list = value as readonly StepValue[]
    if (!takesList(name, option)) return list.flatMap((each): readonly StepValue[] => (isCall(each) ? callsOf(each) : [each]))
    return list.length > 0 && list.every(each => Array.isArray(each)) ? list : [value]
  }
  return isCall(value) ? callsOf(value) : [value]
}

/** A call with one value of each option, in every combination. */
const callsOf = (call: StepCall): readonly StepCall[] => {
  const names = Object.keys(call.options)
  return combinations(names.map(option => valuesOf(call.name, option, call.options[option]))).map(values => ({
    ...call,
    options: Object.fromEntries(names.map((name, i) => [name, values[i]])),
  }))
}

const valueSource = (value: StepValue): string => {
  if (Array.isArray(value)) return `[${(value as readonly StepValue[]).map(valueSource).join(', ')}]`
  if (isCall(value)) return callSource(value)
  return scalarSource(value as string | number | boolean)
}

/** A call as the command line reads it. */
export const callSource = ({ package: from, name, options }: StepCall): string => {
  const given = Object.entries(options).map(([option, value]) => `${option}=${valueSource(value)}`)
  return `${from === undefined ? '' : `${from}:`}${name}${given.length > 0 ? `(${given.join(', ')})` : ''}`
}

/**
 * Pipelines from steps whose options may be lists, in the order in which they are written: `rtn(bits=[2,4], group=[32,64])` makes four. An
 * option that takes a list by itself is tried with several where it is given a list of lists. Throws BAD_OPTION where one is no call.
 */
export const sweptSteps = (sources: readonly string[]): readonly (readonly string[])[] =>
  combinations(sources.map(source => callsOf(parseStep(source)).map(callSource)))
