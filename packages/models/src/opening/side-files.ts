import { isRecord, parseJson } from '@tersor/formats/internal/files/json-text'
import { CompressionError } from '@tersor/tensor'
import type { ModelFiles, RawConfig } from '../networks/raw-config.js'
import { openTokenizer, type Tokenizer } from '../generation/tokenizer.js'

/** Settings have four levels; more than this is damage, and reading on would overflow the stack. */
export const MAX_SETTINGS_DEPTH = 32

/** The tokenizer among the files, where there is one. */
export const tokenizerOf = (files: ModelFiles): { readonly tokenizer?: Tokenizer } =>
  files['tokenizer.json'] ? { tokenizer: openTokenizer(files) } : {}

/** A small file of settings beside the weights; empty where it is missing. */
export const jsonOf = (files: ModelFiles, name: string): RawConfig => {
  const bytes = files[name]
  if (bytes === undefined) return {}
  const bad = (what: string, cause?: unknown): CompressionError =>
    new CompressionError('BAD_FILE', `${name} ${what}.`, 'Take the file that was saved with these weights.', { name }, cause)
  const parsed = (): unknown => {
    try {
      return parseJson(new TextDecoder().decode(bytes), name, MAX_SETTINGS_DEPTH)
    } catch (cause) {
      throw bad('is no JSON', cause)
    }
  }
  const value = parsed()
  if (isRecord(value)) return value
  throw bad('is not an object')
}

/** Builds a model over an open store, and closes the store where that fails. */
export const over = async <T>(store: { close(): Promise<void> }, build: () => T | Promise<T>): Promise<T> => {
  try {
    return await build()
  } catch (error) {
    await store.close()
    throw error
  }
}
