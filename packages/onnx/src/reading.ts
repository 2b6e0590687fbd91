import { MOVING_OPERATORS } from './file/fold.js'
import { READ_FORMS } from './file/forms/read.js'
import { SITE_OPERATORS } from './file/uses.js'

/** "com.microsoft:FusedConv" → "FusedConv of com.microsoft". */
const spelled = (key: string): string => {
  const [domain, type] = key.split(':')
  return domain === '' ? type : `${type} of ${domain}`
}

/** What the reader of ONNX graphs takes, leaves as it was, and refuses; the operators are those of the tables that it goes by. */
export const ONNX_READING = Object.freeze({
  source: 'ONNX graphs',
  rows: [
    { what: `weights of ${SITE_OPERATORS.map(spelled).join(', ')}`, fate: 'read', how: 'sites, whichever of its inputs the weight is' },
    { what: `weights in ${READ_FORMS.map(spelled).join(', ')}`, fate: 'read', how: 'one parameter each: a tree of codes, or plain halves' },
    {
      what: `weights behind ${MOVING_OPERATORS.join(', ')}`,
      fate: 'read',
      how: 'as they are multiplied by, where nothing else asks for them',
    },
    { what: 'matrices and filters of Constant nodes', fate: 'read', how: 'as initializers' },
    { what: 'weights inside of If, Loop and Scan', fate: 'read', how: 'as initializers of the outermost graph' },
    { what: 'both spellings of the domain of ONNX', fate: 'read', how: 'as one' },
    { what: 'data beside the model, in its folder', fate: 'read', how: 'by range' },
    { what: 'weights that other operators take', fate: 'kept', how: 'as they were; compress says so, with their bytes' },
    { what: 'constants that are infinite, doubles, truth values, texts', fate: 'kept', how: 'as they were' },
    { what: 'attributes of MatMulNBits such as accuracy_level', fate: 'kept', how: 'on the MatMulNBits that is written for it' },
    { what: 'weights that nodes use from both sides, or that are outputs', fate: 'read', how: 'written as DequantizeLinear over the weight; the nodes stay' }, // prettier-ignore
    { what: 'data outside of the folder of the model', fate: 'refused', how: 'BAD_FILE' },
    { what: 'nodes that wait for themselves or for what nothing makes, two values of one name', fate: 'refused', how: 'BAD_FILE' },
    { what: 'operators that ONNX has not, inputs and attributes that an operator has not, domains without a version', fate: 'refused', how: 'BAD_FILE' }, // prettier-ignore
    { what: 'graphs without an input, inputs that are no numbers, operators that ONNX Runtime lacks', fate: 'refused', how: 'UNSUPPORTED' },
  ] as const,
})
