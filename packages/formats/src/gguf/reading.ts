import type { Reading, ReadingRow } from '../files/reading-table.js'
import { CONFIG_KEYS } from './read-config.js'
import { READ_SCALINGS } from './rope-scaling.js'
import { ARCHITECTURES } from './tables/architectures.js'
import { PRE_TOKENIZERS } from './tables/pre-tokenizers.js'
import { OTHER_TYPES, TENSOR_TYPES } from './tables/tensor-types.js'
import { READ_TOKENIZERS } from './tokenizer.js'

const upper = (names: readonly string[]): string => names.map(name => name.toUpperCase()).join(', ')

const architectures: readonly ReadingRow[] = Object.entries(ARCHITECTURES).map(([name, { modelTypes, experts }]) => ({
  what: `architecture ${name}`,
  fate: 'read',
  how: `as ${modelTypes.join(', ')}${experts ? ', experts of a layer one by one' : ''}`,
}))

/** What a GGUF file may hold, and what becomes of it. */
export const GGUF_READING: Reading = Object.freeze({
  source: 'GGUF',
  rows: Object.freeze<ReadingRow[]>([
    ...architectures,
    {
      what: 'other architectures',
      fate: 'refused',
      how: 'by their name when they are to run; their tensors are read under the names of the file',
    },
    {
      what: `tensor types ${upper(Object.keys(TENSOR_TYPES))}`,
      fate: 'read',
      how: 'Q4_0, Q5_0 and Q8_0 as codes, other blocks decoded to float32',
    },
    { what: `tensor types ${Object.values(OTHER_TYPES).join(', ')}`, fate: 'refused', how: 'by their name' },
    {
      what: `settings ${CONFIG_KEYS.read.join(', ')}`,
      fate: 'read',
      how: 'lists with an entry a layer only where all entries are the same',
    },
    { what: `settings ${CONFIG_KEYS.ignored.join(', ')}`, fate: 'kept', how: 'they change nothing' },
    {
      what: `settings ${Object.keys(CONFIG_KEYS.neutral).join(', ')}`,
      fate: 'kept',
      how: 'where they change nothing, else refused by their name',
    },
    { what: 'other settings of an architecture', fate: 'refused', how: 'by their name' },
    { what: `rope scaling ${READ_SCALINGS.join(', ')} and rope_freqs`, fate: 'read', how: 'run as llama.cpp runs them' },
    { what: 'rope scaling longrope and others', fate: 'refused', how: 'by their name' },
    {
      what: `tokenizers ${READ_TOKENIZERS.join(', ')} with pre-tokenizers ${Object.keys(PRE_TOKENIZERS).join(', ')}`,
      fate: 'read',
      how: 'as tokenizer.json',
    },
    { what: 'other tokenizers', fate: 'kept', how: 'from GGUF to GGUF, key by key; texts cannot be encoded with them here' },
    { what: 'chat templates, tokens that end a text', fate: 'read', how: 'as tokenizer_config.json and generation_config.json' },
    { what: 'all other keys', fate: 'kept', how: 'from GGUF to GGUF, but for those that hold of the bytes of one file only' },
    { what: 'models split over files', fate: 'read', how: 'the others are opened beside the one that is given' },
  ]),
})
