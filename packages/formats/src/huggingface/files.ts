/** Files that belong to a model beside its weights and config.json; a sink carries them along unchanged. */
export const SIDE_FILES: readonly string[] = [
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'spiece.model',
  'chat_template.jinja',
  'chat_template.json',
  'preprocessor_config.json',
  'processor_config.json',
  'LICENSE',
  'LICENSE.txt',
  'LICENSE.md',
]

/** The largest tokenizer.json in use has 35 MB; a side file is held in memory whole. */
export const MAX_SIDE_FILE_BYTES = 256 << 20
/** config.json of composite models has four levels; more than this is damage. */
export const MAX_CONFIG_DEPTH = 32
/** A config is some kilobytes, with label maps some hundred. */
export const MAX_CONFIG_BYTES = 64 << 20
