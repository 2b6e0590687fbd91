import { isRecord, parseJson } from '@tersor/formats/internal/files/json-text'
import type { ModelFiles } from '@tersor/models/raw-config'

const CONFIG = 'tokenizer_config.json'

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> => (isRecord(value) ? value : {})
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** The token that a tokenizer's template puts before a text; undefined where it has none, or where the file holds something else. */
const tokenBefore = (processor: unknown): unknown => {
  const { type, processors, single } = fieldsOf(processor)
  if (type !== 'TemplateProcessing')
    return listOf(processors)
      .map(tokenBefore)
      .find(token => token !== undefined)
  return fieldsOf(fieldsOf(listOf(single)[0]).SpecialToken).id
}

/** Deeper files are carried along unread: walking them would overflow the stack. */
const MAX_DEPTH = 64

const parse = (bytes: Uint8Array | undefined): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value = parseJson(new TextDecoder().decode(bytes), 'A file of the tokenizer', MAX_DEPTH)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined // files are carried along as they are, whatever they hold
  }
}

/**
 * The files of a tokenizer, which say `add_bos_token` where its template begins a text with the token that begins one: transformers.js
 * leaves templates out when it generates unless that is said, and other runtimes do not.
 */
export const withBeginning = (files: ModelFiles): ModelFiles => {
  const processor = parse(files['tokenizer.json'])?.post_processor
  const config = parse(files[CONFIG])
  const named = config?.bos_token as { readonly content?: string } | string | null | undefined
  const bos = typeof named === 'object' ? named?.content : named
  if (!processor || !config || 'add_bos_token' in config || bos === undefined || tokenBefore(processor) !== bos) return files
  return { ...files, [CONFIG]: new TextEncoder().encode(`${JSON.stringify({ ...config, add_bos_token: true }, null, 2)}\n`) }
}
