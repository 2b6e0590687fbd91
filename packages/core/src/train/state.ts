import * as tf from '@tensorflow/tfjs-core'
import type { State } from './gradient-transform.js'

/** All tensors of a nested state, in order. */
export const tensorsIn = (state: State): tf.Tensor[] => {
  if (state instanceof tf.Tensor) return [state]
  if (state === null || typeof state !== 'object') return []
  return Object.values(state as Record<string, State>).flatMap(tensorsIn)
}

/** The state with other tensors, in order. */
export const withTensors = (state: State, next: () => tf.Tensor): State => {
  if (state instanceof tf.Tensor) return next()
  if (state === null || typeof state !== 'object') return state
  if (Array.isArray(state)) return state.map(each => withTensors(each as State, next)) as State
  return Object.fromEntries(Object.entries(state as Record<string, State>).map(([name, each]) => [name, withTensors(each, next)]))
}

/** Keeps the tensors of a state past the tidy they were made in. */
export const keepAll = <S extends State>(state: S): S => {
  tensorsIn(state).forEach(tensor => tf.keep(tensor))
  return state
}

/** Frees what the next state no longer holds. */
export const release = (states: readonly State[], next: readonly State[]): void => {
  const held = new Set(tensorsIn(next as State))
  for (const tensor of tensorsIn(states as State)) if (!held.has(tensor)) tensor.dispose()
}
