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
  "parseJSON of XMLHttpRequests, HTTPServer's ÉCOLE and iPhone",
  'カタカナとひらがな、漢字123字 한국어 단어 ภาษาไทย हिन्दी',
  '$100+5% #tag @name «quoted» – dash… a/b\\c\n/path',
  'trailing spaces   ',
  '   ',
  '',
]

const corpus = TEXTS.concat(Array.from({ length: 40 }, (_, i) => `the reason that they say it is ${i} times what we say, don't they?`))
const SPECIAL = '<|endoftext|>'

const encode = (json: object): Uint8Array => new TextEncoder().encode(JSON.stringify(json))

/** llama.cpp, we, and we after reading the file back must agree on all texts; so must a file that was made of the file. */
const compare = (tokenizer: object, special: string, texts: readonly string[], kind: Readonly<Record<string, string>>): Promise<void> =>
  withFolder(async folder => {
    const config = { bos_token: special, eos_token: special, clean_up_tokenization_spaces: false }
    const files = { 'tokenizer.json': encode(tokenizer), 'tokenizer_config.json': encode(config) }
    const ours = openTokenizer(files)
    const network = picoLlama({ vocabulary: ours.vocabularySize })
    const path = join(folder, 'model.gguf')
    const second = join(folder, 'second.gguf')
    await writeGguf(path, network.params, { config: network.rawConfig, files })
    const file = await openGguf(path)
    for (const [key, value] of Object.entries(kind)) assert.equal(file.metadata.get(`tokenizer.ggml.${key}`)?.value, value)
    await writeGguf(second, file.params, { config: file.config!, files: file.files, carried: file.metadata })
    const again = openTokenizer(file.files)
    await file.close()
    for (const each of [path, second]) {
      const runner = await loadInLlamaCpp(each, 32, ours.vocabularySize)
      for (const text of texts) {
        const ids = ours.encode(text, { specials: false })
        assert.deepEqual(runner.tokenize(text), [...ids], JSON.stringify(text))
        assert.deepEqual(again.encode(text), ours.encode(text), 'read back, specials included')
        assert.equal(again.decode(ids), text)
      }
      await runner.close()
    }
  })

for (const [name, { steps, ignoreMerges, normalizer }] of Object.entries(PRE_TOKENIZERS))
  test(`${name}: llama.cpp reads the tokenizer as we do`, () => {
    const plain = tokenizerJson(trainMerges(corpus, 200), SPECIAL)
    const model = { ...(plain.model as object), ignore_merges: ignoreMerges }
    return compare({ ...plain, normalizer, pre_tokenizer: { type: 'Sequence', pretokenizers: steps }, model }, SPECIAL, TEXTS, {
      model: 'gpt2',
      pre: name,
    })
  })

test('SentencePiece: llama.cpp reads the tokenizer as we do', () => {
  const trained = trainMerges(corpus, 300).map(([left, right]) => (left + right).replaceAll('Ġ', '▁'))
  const ascii = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
  const pieces = trained.filter(token => [...token].every(character => character === '▁' || ascii.includes(character)))
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...pieces, '▁', ...ascii]
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]))
  const merges = pieces.flatMap(token =>
    Array.from({ length: token.length - 1 }, (_, i) => [token.slice(0, i + 1), token.slice(i + 1)]).filter(pair =>
      pair.every(part => part in vocab),
    ),
  )
  const replace = (from: string, to: string): object => ({ type: 'Replace', pattern: { String: from }, content: to })
  const added = tokens
    .slice(0, 3)
    .map((content, id) => ({ id, content, special: true, normalized: false, lstrip: false, rstrip: false, single_word: false }))
  const tokenizer = {
    version: '1.0',
    added_tokens: added,
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replace(' ', '▁')] },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [replace('▁', ' '), { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }],
    },
    model: { type: 'BPE', unk_token: '<unk>', fuse_unk: true, byte_fallback: true, vocab, merges },
  }
  return compare(tokenizer, '<s>', TEXTS, { model: 'llama' })
})
