import type { OutputFormat } from '../format-flags.js'
import type { Format } from '@tersor/models/internal/formats/format'
import { compressedTensorsFormat } from '@tersor/models/internal/formats/compressed-tensors'
import { ggufFormat } from '@tersor/models/internal/formats/gguf'
import { huggingFaceFormat } from '@tersor/models/internal/formats/huggingface'
import { onnxFormat } from '@tersor/onnx/format'

/** Formats that a page opens and writes, named one by one: a bundle holds what is imported and cannot look for packages. */
export const PAGE_FORMATS: readonly Format[] = Object.freeze([huggingFaceFormat, ggufFormat, onnxFormat, compressedTensorsFormat])

/** One of them by its name. */
export const pageFormat = (name: OutputFormat): Format | undefined => PAGE_FORMATS.find(each => each.name === name)
