/** What a run reports. */
export type ProgressEvent =
  | { readonly type: 'pass'; readonly pass: string; readonly index: number; readonly of: number }
  | { readonly type: 'stage'; readonly pass: string; readonly stage: string; readonly index: number; readonly of: number }
  /** A stage that an earlier run finished; its 'compressed' and 'warning' events come again before. */
  | { readonly type: 'resumed'; readonly pass: string; readonly stage: string; readonly index: number; readonly of: number }
  | { readonly type: 'calibrated'; readonly pass: string; readonly stage: string; readonly batch: number }
  | {
      readonly type: 'compressed'
      readonly pass: string
      readonly site: string
      /** Bytes. */
      readonly before: number
      readonly after: number
      /** ‖W − Ŵ‖² / ‖W‖² against the weight before the pipeline, or behind its last exact pass. */
      readonly error: number
    }
  /** A parameter that a pass over several sites wrote anew: a weight or bias that was scaled, a grid of inputs. */
  | { readonly type: 'changed'; readonly pass: string; readonly parameter: string }
  | { readonly type: 'warning'; readonly pass: string; readonly site?: string; readonly message: string }
  | {
      readonly type: 'trained'
      readonly pass: string
      readonly step: number
      readonly of: number
      readonly loss: number
      readonly norm: number
    }
