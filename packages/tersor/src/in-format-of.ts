import type { OpenedModel } from '@tersor/models/open-model'
import type { FormatFlags, OutputFormat } from './format-flags.js'

/** Graphs are written as they came unless another format is asked for. */
export const inFormatOf = <F extends FormatFlags>(model: OpenedModel, flags: F): F =>
  model.family === 'graph' && flags.format === 'huggingface' ? { ...flags, format: model.format as OutputFormat } : flags
