/** What a project is made of. */
export interface ProjectRequest {
  /** Of the step, and of the package behind `tersor-`. */
  readonly name: string
  /** method, score, pass or codec. */
  readonly kind: string
  /** jest, vitest or node:test. */
  readonly test: string
}
