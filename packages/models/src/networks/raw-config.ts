/** A `config.json` as its author wrote it. */
export type RawConfig = Readonly<Record<string, unknown>>

/** Files that travel with a model, such as tokenizer.json, by name. */
export type ModelFiles = Readonly<Record<string, Uint8Array>>
