import * as tf from '@tensorflow/tfjs-core'
import { unitsAlong, type Coupling, type Member, type Span } from '@tersor/core'

/** Adds what stands at the positions of an axis to the units that own them, (units). */
export const toUnits = (positions: ArrayLike<number>, span: Span, units: number): Float64Array => {
  const sums = new Float64Array(units)
  unitsAlong(span, units, positions.length).forEach((unit, at) => {
    if (unit >= 0) sums[unit] += positions[at]
  })
  return sums
}

/** Units of one coupling: the mean of what its members say. */
export interface MeanOfMembers {
  readonly add: (coupling: number, scores: Float64Array) => void
  readonly all: () => readonly Float64Array[]
}

export const meanOfMembers = (couplings: readonly Coupling[]): MeanOfMembers => {
  const sums = couplings.map(({ units }) => new Float64Array(units))
  const counts = couplings.map(() => 0)
  return {
    add: (coupling, scores) => {
      counts[coupling]++
      scores.forEach((score, unit) => (sums[coupling][unit] += score))
    },
    all: () => sums.map((scores, i) => scores.map(score => (counts[i] === 0 ? 0 : score / counts[i]))),
  }
}

interface Placed {
  readonly member: Member
  readonly coupling: number
}

/** Members by the parameter that they stand in; those that only go with their units say nothing. */
const placedMembers = (couplings: readonly Coupling[]): ReadonlyMap<string, readonly Placed[]> => {
  const all = new Map<string, Placed[]>()
  for (const [coupling, { members }] of couplings.entries())
    for (const member of members)
      if (member.role !== 'carries') all.set(member.parameter, [...(all.get(member.parameter) ?? []), { member, coupling }])
  return all
}

/** Σ over all axes but one, (extent). */
const alongAxis = (scores: tf.Tensor, axis: number): tf.Tensor =>
  tf.sum(
    scores,
    scores.shape.map((_, each) => each).filter(each => each !== axis),
  )

/** Scores of units from scores of weights, which come parameter by parameter. */
export interface ScoresByParameter {
  /** Scores of what a parameter holds, in its shape, made in a tidy; vectors, such as biases, and parameters of no unit say nothing. */
  readonly add: (name: string, make: () => tf.Tensor) => Promise<void>
  /** Of each member the sum over what a unit owns, of each coupling the mean of its members. */
  readonly all: () => readonly Float64Array[]
  readonly names: readonly string[]
}

export const scoresByParameter = (couplings: readonly Coupling[]): ScoresByParameter => {
  const mean = meanOfMembers(couplings)
  const members = placedMembers(couplings)
  return {
    names: [...members.keys()],
    all: mean.all,
    add: async (name, make) => {
      const placed = members.get(name) ?? []
      const axes = [...new Set(placed.map(({ member }) => member.axis))]
      if (axes.length === 0) return
      const sums = tf.tidy(() => {
        const scores = make()
        return scores.rank < 2 ? [] : axes.map(axis => alongAxis(scores, axis))
      })
      try {
        const read = await Promise.all(sums.map(sum => sum.data()))
        if (sums.length === 0) return
        for (const { member, coupling } of placed)
          mean.add(coupling, toUnits(read[axes.indexOf(member.axis)], member, couplings[coupling].units))
      } finally {
        tf.dispose(sums)
      }
    },
  }
}
