import type { LabelScope } from '@tersor/models/internal/imported/couplings/weight-labels'

/** A weight with its axes in another order, as a head that is the table of the embedding is asked for. */
export interface TurnedWeights extends Pick<LabelScope, 'shapeOf' | 'write' | 'bind'> {
  turn(name: string, weight: string, order: readonly number[]): void
}

/** Weights that are asked for by other names too, with their axes in another order. */
export const turnedWeights = ({ shapeOf, write, bind }: Pick<LabelScope, 'shapeOf' | 'write' | 'bind'>): TurnedWeights => {
  const turned = new Map<string, { readonly weight: string; readonly order: readonly number[] }>()
  return {
    turn: (name, weight, order) => void turned.set(name, { weight, order }),
    shapeOf: name => {
      const each = turned.get(name)
      const shape = shapeOf(each?.weight ?? name)
      return each && shape ? each.order.map(axis => shape[axis]) : shape
    },
    write: (name, axis) => {
      const each = turned.get(name)
      return each ? write(each.weight, each.order[axis]) : write(name, axis)
    },
    bind: (name, axis, to, role) => {
      const each = turned.get(name)
      return each ? bind(each.weight, each.order[axis], to, role) : bind(name, axis, to, role)
    },
  }
}
