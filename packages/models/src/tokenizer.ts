/** Text to ids and back. */
export interface Tokenizer {
  /** Ids of a text; with `specials` (the default) those that the tokenizer puts around a text by itself. */
  encode(text: string, options?: { readonly specials?: boolean }): readonly number[]
  /** The text of ids; without special tokens unless `skipSpecials` is false. */
  decode(ids: readonly number[], options?: { readonly skipSpecials?: boolean }): string
  readonly bos?: number
  readonly eos?: number
  readonly vocabularySize: number
}
