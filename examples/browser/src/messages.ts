import type { OfferedTarget, TargetName } from 'tersor/browser'

/** A file with its path in what was dropped. */
export interface DroppedFile {
  readonly path: string
  readonly file: File
}

/** What the page asks of its worker. */
export type Request =
  | { readonly type: 'start'; readonly engine: string | undefined }
  | { readonly type: 'open'; readonly files: readonly DroppedFile[] }
  | { readonly type: 'compress'; readonly target: TargetName; readonly bits: number; readonly text: string | undefined }
  | { readonly type: 'continue'; readonly prompt: string; readonly tokens: number }
  | { readonly type: 'outputs' }
  | { readonly type: 'stop' }

/** What is said of a model that was opened. */
export interface ModelFacts {
  readonly name: string
  readonly architecture: string
  readonly parameters: number
  /** Of its files with weights. */
  readonly bytes: number
  /** What can be compared: text that it continues, outputs of a graph, or nothing here. */
  readonly compares: 'text' | 'outputs' | undefined
  readonly targets: readonly OfferedTarget[]
}

export interface WrittenFile {
  readonly path: string
  readonly blob: Blob
}

export interface Compressed {
  readonly name: string
  readonly files: readonly WrittenFile[]
  readonly before: number
  readonly after: number
  readonly seconds: number
  readonly notes: readonly string[]
}

/** How far an output is from what it was. */
export interface OutputDifference {
  readonly name: string
  readonly shape: readonly number[]
  readonly cosine: number
  readonly largest: number
}

/** What the worker answers. */
export type Answer =
  | { readonly type: 'engine'; readonly text: string }
  | { readonly type: 'opened'; readonly model: ModelFacts }
  | { readonly type: 'advanced'; readonly label: string; readonly done: number; readonly of: number }
  | { readonly type: 'layer'; readonly layer: string; readonly error: number }
  | { readonly type: 'compressed'; readonly result: Compressed }
  | { readonly type: 'piece'; readonly side: 'before' | 'after'; readonly text: string }
  | { readonly type: 'continued' }
  | { readonly type: 'outputs'; readonly outputs: readonly OutputDifference[] }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly code: string; readonly what: string; readonly remedy: string }
