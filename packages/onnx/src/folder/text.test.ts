import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { byteTokenizerJson } from '../../../tersor/src/byte-tokenizer.fixture.js'
import type { GraphValue } from '@tersor/models/graph-model'
import { nodeFileSystem } from '@tersor/formats/internal/files/file-system'
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
  return textOfGraph(folder, { inputs: inputs.map(ids), outputs: [output] }, nodeFileSystem())
}

it('is there for logits of the next token', async () => {
  const text = await textOf(['input_ids', 'attention_mask'], logits('batch', 'tokens', 259), 'LlamaForCausalLM')
  expect(text).toMatchObject({ contextLength: 24, vocabularySize: 259, config: { eos: [] } })
})

it.each([
  [{ eos_token_id: 2 }, {}, [2]],
  [{ eos_token_id: 2 }, { eos_token_id: [5, 7] }, [5, 7]],
  [{ eos_token_id: [1, 'x', -1] }, { eos_token_id: null }, [1]],
])('ends a text as %j and %j say', async (config, generation, eos) => {
  const own = await mkdtemp(join(folder, 'ends-'))
  const files = { 'tokenizer.json': byteTokenizerJson(), 'config.json': config, 'generation_config.json': generation }
  for (const [name, content] of Object.entries(files)) await writeFile(join(own, name), JSON.stringify(content))
  const text = await textOfGraph(own, { inputs: [ids('input_ids')], outputs: [logits('batch', 'tokens', 259)] }, nodeFileSystem())
  expect(text!.config.eos).toEqual(eos)
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
