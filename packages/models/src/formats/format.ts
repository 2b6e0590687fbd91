import type { FileSystem } from '@tersor/formats/internal/files/file-system'
import type { Refusal } from '@tersor/formats/internal/files/refusal'
import type { SinkOptions } from '@tersor/formats/internal/files/output'
import type { PlannedLayer } from '@tersor/formats/gptq'
import type { Imatrix } from '@tersor/formats/imatrix'
import type { CompressionError, ParameterSink } from '@tersor/tensor'
import type { OpenedModel, OpenModelOptions } from '../opening/opened-model.js'
import type { Runtime } from './runtime.js'

/** What a writer may be told besides the model; each format lists those that it takes. */
export interface FormatOptions {
  /** A block type, such as q4_k, a float such as f16, or a mixture, such as Q4_K_M. */
  readonly type?: string
  /** What weighs columns: a file, or a matrix that is full when the sink is opened. */
  readonly imatrix?: string | Pick<Imatrix, 'entries'>
  /** How codes of weights stand in a graph. */
  readonly form?: string
  /** How layers stand in a folder; by what they are where absent. */
  readonly checkpointFormat?: string
  /** What plain floats become: the caller hands them over so; a format may say it in its settings. */
  readonly dtype?: string
}

/** Opens a place for a finished model. */
export type OpenSink = (path: string, model: OpenedModel, options: SinkOptions) => ParameterSink

/** How models are written in a format. */
export interface FormatWriter {
  /** The end of its files; results are folders where absent. */
  readonly end?: string
  /** The file in a folder of that name, where --out names no file. */
  readonly fileIn?: string
  /** The file of a result to pass as MODEL next time; the result itself where absent. */
  readonly entry?: string
  /** Which models it has a place for. Graphs go back into their own format, whatever is said here. */
  readonly holds: readonly OpenedModel['family'][]
  /** Which options it takes. */
  readonly options: readonly (keyof FormatOptions)[]
  /** Floats that it holds; f32, f16 and bf16 where absent. */
  readonly dtypes?: readonly string[]
  /** Those of them that its sink rounds to by itself. */
  readonly roundsTo?: readonly string[]
  /** Whether it has names of its own, rather than those of the file that the model came from. */
  readonly ownNames?: boolean
  /** Whether zeros are packed away before it is written: its trees have a place for that. */
  readonly packs?: boolean
  /** Whether a prompt of vectors comes back with it. */
  readonly prompts?: boolean
  /** Whether writing rounds, so that only what is read back is what runs. */
  readonly rounds?: boolean
  /** Why a model, or a path for it, has no place here, where more is to be said of it than that. */
  refuses?(model: OpenedModel, out: string): CompressionError | undefined
  /** Says of a layer on a grid of codes why it would have no place; undefined where it has one. Known before any work is done. */
  judge?(options: FormatOptions): Promise<(layer: PlannedLayer) => Refusal | undefined>
  /** Steps whose codes lie on no grid with whole zeros and that it has a place for all the same. */
  readonly takes?: readonly string[]
  /** How sinks are opened; what that reads besides the model is read now. Throws BAD_OPTION. */
  sink(options: FormatOptions): Promise<OpenSink>
  /** What reads it besides Tersor, in Node; a text says why nothing does. */
  readonly runtime: (() => Promise<Runtime>) | string
}

/** A format of models: how it is told from others, opened, weighed and written. Its parts are loaded when they are used. */
export interface Format {
  readonly name: string
  /** How names of its files end, in lower case. */
  readonly ends?: readonly string[]
  /** What to open in a folder with these entries; undefined where it is another format's. */
  find?(folder: string, names: readonly string[], fs: FileSystem): Promise<string | undefined>
  /** Opens a file, or what was found in a folder. */
  open?(path: string, options: OpenModelOptions, folder?: string): Promise<OpenedModel>
  /** The files that hold the weights of what stands at a path. */
  weightFiles?(path: string): Promise<readonly string[]>
  readonly writer?: FormatWriter
}

/** Node's file system, which bundles for browsers leave out. */
export const fileSystem = () => globalThis.process.getBuiltinModule('node:fs/promises')

/** What openModel takes, in words. */
export const ACCEPTED =
  'Pass a Hugging Face folder (config.json, model.safetensors), a .gguf or .onnx file, the model.json of tfjs, or NAME.safetensors with NAME.json beside it.'
