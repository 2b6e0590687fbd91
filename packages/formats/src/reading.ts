import { GGUF_READING } from './gguf/reading.js'
import { HUGGING_FACE_READING } from './huggingface/reading.js'
import { TFJS_READING } from './tfjs/reading.js'
import type { Reading } from './files/reading-table.js'

export type { Fate, Reading, ReadingRow } from './files/reading-table.js'

/** Those of this package. A reader joins with a table of its own beside it and a line here. */
export const READINGS: readonly Reading[] = Object.freeze([HUGGING_FACE_READING, GGUF_READING, TFJS_READING])
