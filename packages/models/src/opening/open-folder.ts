import { openHuggingFace } from '@tersor/formats/huggingface'
import { fileSource } from '@tersor/formats/internal/files/byte-source'
import { isRecord, parseJson } from '@tersor/formats/internal/files/json-text'
import { openSafetensors } from '@tersor/formats/safetensors'
import { CompressionError, type ParameterStore } from '@tersor/tensor'
import { bertModel } from '../networks/bert.js'
import { checkPairs } from '../networks/check-pairs.js'
import { badField } from '../networks/config-fields.js'
import { ACCEPTED } from '../formats/format.js'
import { gpt2Model } from '../networks/gpt2.js'
import type { ImageClassifier } from '../networks/image-classifier.js'
import type { LanguageModelExtras } from '../networks/language-model.js'
import { LLAMA_ARCHITECTURES } from '../networks/llama-config.js'
import { isHeadless, llamaEncoder, llamaModel } from '../networks/llama.js'
import type { OpenedModel, OpenModelOptions } from './opened-model.js'
import type { RawConfig } from '../networks/raw-config.js'
import { resNetModel } from '../networks/resnet.js'
import { jsonOf, MAX_SETTINGS_DEPTH, over, tokenizerOf } from './side-files.js'
import { withUsualNames } from './stored-names.js'
import { settledHead } from '../networks/tied-head.js'
import { vitModel } from '../networks/vit.js'

type Build = (config: RawConfig, params: ParameterStore, extras: LanguageModelExtras) => OpenedModel | Promise<OpenedModel>

/** Networks of their own, by `model_type`; the rest are of the Llama family. */
const BUILDERS: Readonly<Record<string, Build>> = {
  gpt2: gpt2Model,
  bert: (config, params, { generationConfig: _unused, ...extras }) => bertModel(config, params, extras),
  vit: (config, params, { files = {}, provenance, close, notes, storedName }) =>
    vitModel(config, params, {
      ...Object.fromEntries(Object.entries({ provenance, close, notes, storedName }).filter(([, value]) => value !== undefined)),
      preprocessor: jsonOf(files, 'preprocessor_config.json'),
    }),
}

/** The values of `model_type` that a folder may have. */
export const FOLDER_ARCHITECTURES: readonly string[] = Object.freeze([...LLAMA_ARCHITECTURES, ...Object.keys(BUILDERS)])

const builderOf = (config: RawConfig): Build => {
  const { model_type: type } = config
  if (typeof type === 'string' && Object.hasOwn(BUILDERS, type)) return BUILDERS[type]
  if (typeof type === 'string' && !FOLDER_ARCHITECTURES.includes(type))
    throw new CompressionError(
      'UNSUPPORTED',
      `The architecture ${JSON.stringify(type.slice(0, 80))} is not one this package runs.`,
      `Known are ${FOLDER_ARCHITECTURES.join(', ')}.`,
      { architecture: type, known: FOLDER_ARCHITECTURES },
    )
  return async (raw, params, extras) => {
    const model = (isHeadless(raw, params) ? llamaEncoder : llamaModel)(raw, params, extras)
    await checkPairs(model.config, params)
    return model
  }
}

/** Opens a Hugging Face folder as the network that its config names. */
export const openFolder = async (path: string, { codecs = [], fileSystem: fs }: OpenModelOptions): Promise<OpenedModel> => {
  const folder = await openHuggingFace(path, { codecs, ...(fs ? { fileSystem: fs } : {}) })
  const { generationConfig, files, provenance, close } = folder
  return over({ close }, async () => {
    if (folder.config.model_type === undefined && folder.config.stages !== undefined)
      return resNetModel(folder.config, folder.params, { provenance, close })
    const build = builderOf(folder.config)
    const named = withUsualNames(folder.params, folder.config.model_type)
    const { config, params, notes } = await settledHead(folder.config, named.params)
    return build(config, params, {
      ...{ files, provenance, close, ...tokenizerOf(files), notes: [...folder.notes, ...notes] },
      ...(named.params === folder.params ? {} : { storedName: named.storedName }),
      ...(generationConfig ? { generationConfig } : {}),
    })
  })
}

/** A description may name this much; beyond it the file is no description. */
const MAX_DESCRIPTION_BYTES = 1 << 20

/** Reads the description beside a file of weights; throws NOT_FOUND where there is none and BAD_FILE where it cannot be read. */
const readDescription = async (weights: string, fs: OpenModelOptions['fileSystem']): Promise<RawConfig> => {
  const path = weights.replace(/\.safetensors$/, '.json')
  const source = await fileSource(path, fs).catch((cause: unknown) => {
    throw new CompressionError('NOT_FOUND', `${weights} has no ${path} beside it.`, ACCEPTED, { path }, cause)
  })
  const bad = (what: string, cause?: unknown): CompressionError =>
    new CompressionError('BAD_FILE', `${path} ${what}.`, 'Take the description that was saved with these weights.', { path }, cause)
  const parsed = (text: string): unknown => {
    try {
      return parseJson(text, path, MAX_SETTINGS_DEPTH)
    } catch (cause) {
      throw bad('is no JSON', cause)
    }
  }
  try {
    const { size } = source
    if (size > MAX_DESCRIPTION_BYTES) throw bad(`has ${size} bytes, too many for a description`)
    const value = parsed(new TextDecoder().decode(await source.read(0, size)))
    if (isRecord(value)) return value
  } finally {
    await source.close()
  }
  throw bad('is not an object')
}

/** Opens weights with their description beside them. */
export const openDescribed = async (path: string, { codecs = [], fileSystem: fs }: OpenModelOptions): Promise<ImageClassifier> => {
  const description = await readDescription(path, fs)
  if (typeof description.name !== 'string') throw badField('name', description.name, 'the name of a network, such as "resnet20"')
  const params = await openSafetensors(path, { codecs, ...(fs ? { fileSystem: fs } : {}) })
  return over(params, () => resNetModel(description, params, { provenance: params.provenance, close: () => params.close() }))
}
