import type { Reading } from '@tersor/formats/reading'
import { FOLDER_ARCHITECTURES } from './open-folder.js'
import { ROPE_SCALINGS } from '../networks/rope-scalings.js'

const code = (names: readonly string[]): string => names.map(name => `\`${name}\``).join(', ')

/** What is made of the network that a Hugging Face folder describes. */
export const NETWORK_READING: Reading = {
  source: 'Networks of Hugging Face folders',
  rows: [
    { what: '`model_type`', fate: 'read', how: code(FOLDER_ARCHITECTURES) },
    {
      what: 'fields that a config leaves out',
      fate: 'read',
      how: 'as transformers fills them, by architecture; writers of formats that leave nothing out get them filled in',
    },
    { what: 'rotary scalings', fate: 'read', how: code(Object.keys(ROPE_SCALINGS)) },
    {
      what: 'other rotary scalings, rotations of a part of a head',
      fate: 'kept',
      how: 'the model is rounded and converted, and refused by the name of the scaling when it is to run',
    },
    {
      what: 'names without `model.`, `bert.`, `vit.`, `transformer.`, or with a prefix more',
      fate: 'kept',
      how: 'written back to folders as they were',
    },
    {
      what: 'a base model without a head',
      fate: 'read',
      how: 'BERT and the Llama family, as encoders that give hidden states; the pooler of BERT is kept',
    },
    {
      what: 'a head of its own where the config ties it',
      fate: 'kept',
      how: 'where it differs from the embedding; the config then says that it is not tied, and a note tells it',
    },
    {
      what: 'tensors that the network does not ask for',
      fate: 'kept',
      how: 'byte for byte, with a note; angles, masks and position ids without one',
    },
    {
      what: 'integers or 8-bit floats in place of a weight, and tensors beside a weight that begin with its name',
      fate: 'refused',
      how: 'they are codes or scales that nothing made a weight of',
    },
  ],
}
