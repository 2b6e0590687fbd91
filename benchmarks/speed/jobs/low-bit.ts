import { loadModel, loadPacked } from '@tersor/core'
import { generate, openModel, type LanguageModel } from '@tersor/models'
import { llamaFile, promptOf } from '../llama-file.js'
import type { Run, Settings } from '../serve.js'

/** `tokens` tokens one by one; `form` is "packed", as the file holds them with activations in 8 bits, or "dense", unpacked to float32. */
export const prepare = async (settings: Settings): Promise<Run> => {
  const model = (await openModel(await llamaFile(settings))) as LanguageModel
  const loaded = settings.form === 'dense' ? await loadModel(model) : await loadPacked(model, { activations: 'int8' })
  return async () => {
    for await (const _ of generate(model, { prompt: promptOf(), tokens: Number(settings.tokens), ...loaded }));
  }
}
