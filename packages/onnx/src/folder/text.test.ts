import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { byteTokenizerJson } from '../../../tersor/src/byte-tokenizer.reference.js'
import type { GraphValue } from '@tersor/models/graph-model'
import { textOfGraph } from './text.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tersor-graph-text-'))
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(byteTokenizerJson()))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const ids = (name: string): GraphValue => ({ name, dtype: 'int64', shape: ['batch', 'tokens'] })
const logits = (...shape: (string | number)[]): GraphValue => ({ name: 'logits', dtype: 'float32', shape })

const textOf = async (inputs: readonly string[], output: GraphValue, architecture: string) => {
  await writeFile(join(folder, 'config.json'), JSON.stringify({ architectures: [architecture], max_position_embeddings: 24 }))
  return textOfGraph(folder, { inputs: inputs.map(ids), outputs: [output] })
}

it('is there for logits of the next token', async () => {
  const text = await textOf(['input_ids', 'attention_mask'], logits('batch', 'tokens', 259), 'LlamaForCausalLM')
  expect(text).toMatchObject({ contextLength: 24, vocabularySize: 259 })
})

it.each([
  ['classes of texts', ['input_ids', 'attention_mask'], logits('batch', 2), 'RobertaForSequenceClassification'],
  ['masked tokens', ['input_ids', 'attention_mask'], logits('batch', 'tokens', 259), 'DistilBertForMaskedLM'],
  ['what types of tokens tell apart', ['input_ids', 'attention_mask', 'token_type_ids'], logits('batch', 'tokens', 259), 'BertX'],
  ['hidden states', ['input_ids'], { name: 'last_hidden_state', dtype: 'float32', shape: undefined }, 'BertModel'],
  ['what is not of ids', ['pixel_values'], logits('batch', 'tokens', 259), 'X'],
] as const)('is not there for %s', async (_, inputs, output, architecture) => {
  expect(await textOf(inputs, output, architecture)).toBeUndefined()
})
