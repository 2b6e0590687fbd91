import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { trainMerges, tokenizerJson } from '../examples/bundled-model/src/byte-pair.js'
import { openGguf } from '@tersor/formats/gguf'
import { openTokenizer, picoLlama } from '@tersor/models'
import { PRE_TOKENIZERS } from '../packages/formats/src/gguf/tables/pre-tokenizers.js'
import { withFolder, writeGguf } from './files.js'
import { loadInLlamaCpp } from './llama-cpp.js'

/** Where pre-tokenizers differ: contractions, digits, spaces, line ends, scripts, signs. */
const TEXTS = [
  "It's what they'LL say: we've 12345 reasons, don't you?",
  '  two   spaces,\ttabs\t\tand\n\nempty lines \n  indented\r\nWindows',
  'naïve Grüße, 日本語のテキスト, Привет мир, emoji 🙂👍🏽 and ½ of x²',
  'for (let i = 0; i < 10; i++) { a[i] += 0x1F; } // done!!!\n',
  'trailing spaces   ',
  '   ',
  '',
]

const corpus = TEXTS.concat(Array.from({ length: 40 }, (_, i) => `the reason that they say it is ${i} times what we say, don't they?`))
const SPECIAL = '<|endoftext|>'

for (const [name, { steps, ignoreMerges, normalizer }] of Object.entries(PRE_TOKENIZERS))
  test(`${name}: llama.cpp reads the tokenizer as we do`, () =>
    withFolder(async folder => {
      const plain = tokenizerJson(trainMerges(corpus, 200), SPECIAL)
      const model = { ...(plain.model as object), ignore_merges: ignoreMerges }
      const tokenizer = { ...plain, normalizer, pre_tokenizer: { type: 'Sequence', pretokenizers: steps }, model }
      const config = { bos_token: SPECIAL, eos_token: SPECIAL, clean_up_tokenization_spaces: false }
      const encode = (json: object): Uint8Array => new TextEncoder().encode(JSON.stringify(json))
      const files = { 'tokenizer.json': encode(tokenizer), 'tokenizer_config.json': encode(config) }
      const ours = openTokenizer(files)
      const network = picoLlama({ vocabulary: ours.vocabularySize })
      const path = join(folder, 'model.gguf')
      await writeGguf(path, network.params, { config: network.rawConfig, files })

      const file = await openGguf(path)
      const again = openTokenizer(file.files)
      await file.close()
      const runner = await loadInLlamaCpp(path, 32, ours.vocabularySize)
      for (const text of TEXTS) {
        const ids = ours.encode(text, { specials: false })
        assert.deepEqual(runner.tokenize(text), [...ids], JSON.stringify(text))
        assert.deepEqual(again.encode(text), ours.encode(text), 'read back, specials included')
        assert.equal(again.decode(ids), text)
        assert.equal(runner.detokenize(ids), text)
      }
      await runner.close()
    }))
