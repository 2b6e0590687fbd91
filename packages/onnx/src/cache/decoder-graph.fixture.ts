import { openModel, type LanguageModel } from '@tersor/models'
import type { TextGraph } from '@tersor/models/generate'
import { byteTokenizerJson } from '../../../tersor/src/byte-tokenizer.fixture.js'
import { onnxDecoderSink, type OnnxDecoderOptions } from '../decoder.js'
import type { OnnxModel } from '../model.js'

/** A network written as a folder for transformers.js and opened as its graph. */
export const decoderGraphOf = async (path: string, model: LanguageModel, options: OnnxDecoderOptions = {}) => {
  const files = { 'tokenizer.json': new TextEncoder().encode(JSON.stringify(byteTokenizerJson())) }
  const sink = onnxDecoderSink(path, { rawConfig: model.rawConfig, files }, options)
  for (const each of model.params.names()) await sink.write(each, await model.params.read(each))
  await (await sink.finish()).close?.()
  return (await openModel(path)) as TextGraph & OnnxModel
}
