import { distanceOf, type Measures } from './measures.js'

/** A pipeline of a sweep and what came of it. */
export interface SweptModel extends Measures {
  readonly steps: readonly string[]
  readonly bytes?: number
  readonly bitsPerWeight?: number
  /** Mean over layers of ‖W − Ŵ‖² / ‖W‖². */
  readonly error?: number
  /** Why it could not be made. */
  readonly failed?: string
}

/** A row of the table. */
export interface SweptRow extends SweptModel {
  /** Whether no other is smaller and as good, or better and as small. */
  readonly best: boolean
}

/** Whether a line of a journal is a row. */
export const isSwept = (value: unknown): value is SweptModel =>
  typeof value === 'object' && value !== null && Array.isArray((value as Partial<SweptModel>).steps)

/** Marks those that no other beats in size and loss: the Pareto front. */
export const withBest = (rows: readonly SweptModel[]): readonly SweptRow[] => {
  const points = rows.map(row => [row.bytes ?? Infinity, distanceOf(row)] as const)
  return rows.map((row, i) => {
    const [bytes, lost] = points[i]
    const beaten = points.some(([b, l]) => b <= bytes && l <= lost && (b < bytes || l < lost))
    return { ...row, best: row.failed === undefined && !beaten }
  })
}
