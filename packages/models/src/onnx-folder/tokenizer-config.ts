import type { ModelFiles } from '../raw-config.js'

const CONFIG = 'tokenizer_config.json'

interface Processor {
  readonly type?: string
  readonly processors?: readonly Processor[]
  readonly single?: readonly { readonly SpecialToken?: { readonly id?: string } }[]
}

/** The token that a tokenizer's template puts before a text; undefined where it has none. */
const tokenBefore = ({ type, processors = [], single = [] }: Processor): string | undefined =>
  type === 'TemplateProcessing' ? single[0]?.SpecialToken?.id : processors.map(tokenBefore).find(token => token !== undefined)

const parse = (bytes: Uint8Array | undefined): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
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
  const processor = parse(files['tokenizer.json'])?.post_processor as Processor | null | undefined
  const config = parse(files[CONFIG])
  const named = config?.bos_token as { readonly content?: string } | string | null | undefined
  const bos = typeof named === 'object' ? named?.content : named
  if (!processor || !config || 'add_bos_token' in config || bos === undefined || tokenBefore(processor) !== bos) return files
  return { ...files, [CONFIG]: new TextEncoder().encode(`${JSON.stringify({ ...config, add_bos_token: true }, null, 2)}\n`) }
}
