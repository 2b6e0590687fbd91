import { DESCRIPTIONS } from './quantized/description.js'
import { READERS } from './quantized/open.js'
import type { Reading } from '../files/reading-table.js'
import { DTYPE_OF } from '../safetensors/tables.js'
import { SIDE_FILES } from './files.js'

const code = (names: readonly string[]): string => names.map(name => `\`${name}\``).join(', ')

const others = 'the message names it; take the original weights, or save the model dequantized'

/** What is made of a Hugging Face folder. */
export const HUGGING_FACE_READING: Reading = {
  source: 'Hugging Face folders',
  rows: [
    {
      what: '`config.json`',
      fate: 'read',
      how: 'fields that the network does not know are kept; a quantization is taken off, since layers come as trees',
    },
    { what: '`model.safetensors`, or shards with an index', fate: 'read', how: `dtypes ${code(Object.keys(DTYPE_OF))}` },
    { what: 'side files', fate: 'kept', how: `byte for byte: ${code(SIDE_FILES)}` },
    {
      what: 'other files',
      fate: 'refused',
      how: 'not copied; weights as `.bin`, `.pt`, `.h5` alone are refused: save the model as safetensors first',
    },
    ...Object.entries(READERS).map(([method, { reads }]) => ({ what: `\`quant_method: ${method}\``, fate: 'read' as const, how: reads })),
    { what: 'a quantization described beside the config', fate: 'read', how: code(Object.keys(DESCRIPTIONS)) },
    {
      what: 'a quantization that only its tensors show',
      fate: 'read',
      how: 'GPTQ (symmetric), AWQ, 8-bit floats with scales, bitsandbytes',
    },
    { what: 'any other `quant_method`', fate: 'refused', how: `modelopt, quanto, torchao, eetq, hqq, higgs, bitnet, mxfp4 …: ${others}` },
    {
      what: 'how other runtimes round the inputs of layers',
      fate: 'refused',
      how: 'inputs stay floats, and a note says for how many layers',
    },
  ],
}
