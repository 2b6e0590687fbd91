import { defineValue, type Made, type OptionTable, type ValueDefinition } from '@tersor/core'

/** What a grid needs to know of its levels. */
export interface Levels {
  readonly bits: number
  /** Whether zero is the middle code, so that the range reaches as far below 0 as above. */
  readonly symmetric: boolean
}

/** Learns the range of a site's inputs, batch by batch, on the host. State goes in and out; a state that was handed over may be reused. */
export interface Observer<State = unknown> extends Made {
  init(): State
  /** values: all numbers of one batch of inputs, finite. */
  update(state: State, values: Float32Array): State
  /** The range that the grid covers; [0, 0] where nothing was seen. */
  range(state: State, levels: Levels): readonly [low: number, high: number]
}

/** What an observer does, before it has its name. */
export type Observing<State> = Omit<Observer<State>, 'name' | 'options'>

/** Declares an observer: options once, checked when the factory is called; throws BAD_OPTION there. */
export const defineObserver = <const O extends OptionTable, State>(definition: ValueDefinition<O, Observing<State>>) =>
  defineValue('observer', definition)

/** Whether a value can learn a range. */
export const isObserver = (value: object): value is Observer => 'init' in value && 'update' in value && 'range' in value

/** The least and the largest of some numbers; [0, 0] of none. */
export const extremesOf = (values: ArrayLike<number>): readonly [low: number, high: number] => {
  if (values.length === 0) return [0, 0]
  let [low, high] = [values[0], values[0]]
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (value < low) low = value
    if (value > high) high = value
  }
  return [low, high]
}

/** The range of an observer over some batches. */
export const observedRange = <State>(
  observer: Observer<State>,
  batches: Iterable<Float32Array>,
  levels: Levels,
): readonly [low: number, high: number] => {
  let state = observer.init()
  for (const batch of batches) state = observer.update(state, batch)
  return observer.range(state, levels)
}
