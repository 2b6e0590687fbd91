import type { ProgressEvent, Step } from '@tersor/core'
import type { FormatFlags, OutputFormat } from './format-flags.js'
import type { TargetName } from './targets/targets.js'

/** What every function here takes. */
export interface Listening {
  /** Stops the work; what is thrown is its reason, and nothing half-written stays. */
  readonly signal?: AbortSignal
  /** What a run does, event by event. */
  readonly onProgress?: (event: ProgressEvent) => void
  /** How far what is counted has come: windows measured, parameters written. */
  readonly onAdvance?: (done: number, of: number, label: string) => void
  /** What the command line says beside its result: the engine, what was read, warnings. A line each. */
  readonly onNote?: (line: string) => void
}

/** Where a result goes and in which form. */
export interface OutputOptions extends Partial<FormatFlags> {
  /** A path: a folder, or a file whose end is that of a format (`.gguf`, `.onnx`). */
  readonly out: string
  /**
   * How the result is stored: `huggingface`, `gguf`, `gptq`, `awq`, `compressed-tensors`, `onnx` or `tfjs`.
   * @default by the end of `out`; `huggingface`, or the format of a graph, where that says nothing
   */
  readonly format?: OutputFormat
  /**
   * Whether an output that exists is replaced, at the very end, where Tersor wrote it.
   * @default false
   */
  readonly overwrite?: boolean
  /**
   * Decides everything that is random: a whole number of at least 0. The same seed gives the same bytes.
   * @default 0
   */
  readonly seed?: number
}

export interface CompressModelOptions extends OutputOptions, Listening {
  /** A path: a Hugging Face folder, a `.gguf` or `.onnx` file, a `model.json`; or a name on the hub, "hf:org/name". */
  readonly model: string
  /** The share of its units that a sorted model is opened with, the best of them; all where absent. */
  readonly cut?: number
  /** A step or several in order: made by factories (`gptq({ bits: 4 })`), or as the command line takes them (`'gptq(bits=4)'`); chosen by `for` where absent. */
  readonly steps?: Step | string | readonly (Step | string)[]
  /** The runtime that the result is for: it chooses the format, and the steps where none are given. */
  readonly for?: TargetName
  /** Of the weights, with `for`: 2 to 8, or 16 for halves; what its users choose where absent. */
  readonly bits?: number
  /** Files, folders and patterns that methods learn from: texts and chats, images, or tensors for graphs; needed by steps such as gptq. */
  readonly calibrate?: string | readonly string[]
  /** At most so many windows of text, images or rows, spread over what there is. */
  readonly samples?: number
  /** Tokens of a window; as many as the model takes, up to 2,048, where absent. */
  readonly length?: number
  /**
   * Whether texts and images are taken in an order drawn by the seed.
   * @default false
   */
  readonly shuffle?: boolean
  /** Texts or images that quality is measured on before and after; where absent, a little of a text in `calibrate`. */
  readonly evaluate?: string | readonly string[]
  /**
   * Whether quality is measured at all.
   * @default true
   */
  readonly quality?: boolean
  /**
   * Goes on after the last stage that a stopped run of the same options finished in `<out>.partial`.
   * @default false
   */
  readonly resume?: boolean
  /**
   * Whether the result is run in the runtime that it is for, where that is installed, and compared with ours.
   * @default false
   */
  readonly verify?: boolean
  /**
   * Activations of the calibration beyond so many MiB wait on disk: a whole number of at least 0.
   * @default 512
   */
  readonly activationMemory?: number
}

export interface QuantizeOptions extends Omit<CompressModelOptions, 'steps' | 'for'> {
  /**
   * Bits of a weight: a whole number from 2 to 8.
   * @default 4
   */
  readonly bits?: number
  /**
   * Columns that share a scale: a whole number of at least 1; GGUF has blocks of its own.
   * @default 32
   */
  readonly group?: number
}

export interface CompareOptions extends Listening {
  /** Texts, or images or tensors for other models, that are measured on; only sizes, speed and weights are compared where absent. */
  readonly data?: string | readonly string[]
  /** About as many tokens of a text, spread over it: a whole number of at least 1; all where absent. */
  readonly tokens?: number
  /**
   * Tokens that are generated to time each model; none where 0.
   * @default 32
   */
  readonly timed?: number
}
