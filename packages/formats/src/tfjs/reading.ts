import type { Reading } from '../files/reading-table.js'
import { WEIGHT_DTYPES, type WeightDType } from './manifest.js'

/** What becomes of weights by their dtype in the manifest. */
const DTYPES: Readonly<Record<WeightDType, readonly [fate: 'read' | 'kept', how: string]>> = {
  float32: ['read', 'f32, or f16 where they are stored as float16'],
  int32: ['read', 'i32'],
  bool: ['read', 'u8'],
  complex64: ['kept', 'byte for byte'],
  string: ['kept', 'byte for byte, and never a parameter'],
}

const rowsOf = (wanted: 'read' | 'kept') =>
  WEIGHT_DTYPES.filter(dtype => DTYPES[dtype][0] === wanted).map(dtype => ({
    what: `weights of \`${dtype}\``,
    fate: wanted,
    how: DTYPES[dtype][1],
  }))

/** What is made of the model.json of TensorFlow.js, or of a weights manifest by itself. */
export const TFJS_READING: Reading = {
  source: 'TensorFlow.js models',
  rows: [
    ...rowsOf('read'),
    {
      what: 'quantization `uint8`, `uint16`',
      fate: 'read',
      how: 'the numbers that tfjs expands to, f32 or i32; sizes are those in the file',
    },
    { what: 'quantization `float16`', fate: 'read', how: 'f16' },
    { what: 'shards of any size, in folders below', fate: 'read', how: 'by range' },
    ...rowsOf('kept'),
    {
      what: 'topology, signature, metadata',
      fate: 'kept',
      how: 'as they stand in model.json, with the numbers that stayed where units were cut',
    },
    { what: 'weights that were quantized and did not change', fate: 'kept', how: 'in their codes' },
    { what: 'files outside of the folder, names that are no paths', fate: 'refused', how: 'BAD_FILE' },
    { what: 'layers that wait for each other, weights larger than the file', fate: 'refused', how: 'BAD_FILE, before tfjs makes them' },
    { what: 'graphs with control flow', fate: 'refused', how: 'UNSUPPORTED, by the name of the node' },
  ],
}
