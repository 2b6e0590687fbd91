/** A tokenizer.json of single bytes, as the model's vocabulary has them. */
export const byteTokenizerJson = (): object => {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let moved = 0
  const characters = Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : 256 + moved++))
  return {
    version: '1.0',
    added_tokens: [{ id: 256, content: '<s>', special: true, normalized: false, lstrip: false, rstrip: false, single_word: false }],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab: Object.fromEntries([...characters, '<s>'].map((character, id) => [character, id])), merges: [] },
  }
}
