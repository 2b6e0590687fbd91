/** A run of channels along one axis of a parameter. */
export interface Channels {
  readonly parameter: string
  readonly axis: number
  readonly count: number
  /** Where they begin; 0 where absent. */
  readonly start?: number
  /** What the network adds to the stored values before it uses them, such as 1 in Gemma's norms; 0 where absent. */
  readonly offset?: number
}
