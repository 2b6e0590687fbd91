import type { FileSystem } from '@tersor/formats/internal/files/file-system'
import type { Codec } from '@tersor/tensor'
import type { GraphModel } from '../imported/graph-model.js'
import type { ImageClassifier } from '../networks/image-classifier.js'
import type { LanguageModel } from '../networks/language-model.js'
import type { TextEncoder } from '../networks/text-encoder.js'

/** A model with its files open; `close` releases them. */
export type OpenedModel = LanguageModel | TextEncoder | ImageClassifier | GraphModel

export interface OpenModelOptions {
  /** Besides those of @tersor/core: the codecs that its trees may use. */
  readonly codecs?: readonly Codec[]
  /** The share of its units that a sorted model is opened with, the best of them: above 0, at most 1. */
  readonly cut?: number
  /** Whether only parameters will be asked for: what takes an engine to be put together, as layers of tfjs do, is left alone then. */
  readonly parametersOnly?: boolean
  /** Where the path is, instead of Node's file system: `memoryFileSystem` of @tersor/formats in a page. */
  readonly fileSystem?: FileSystem
}
