import { CORE_CODECS, quantizedActivations } from '@tersor/core'
import { GGUF_ARCHITECTURES, openGguf } from '@tersor/formats/gguf'
import { openHuggingFace } from '@tersor/formats/huggingface'
import { isRecord, parseJson } from '@tersor/formats/json-text'
import { openSafetensors } from '@tersor/formats/safetensors'
import { CompressionError, type Codec, type ParameterStore } from '@tersor/tensor'
import { badField } from './config-fields.js'
import type { ImageClassifier } from './image-classifier.js'
import type { LanguageModel, LanguageModelExtras } from './language-model.js'
import { LLAMA_ARCHITECTURES } from './llama-config.js'
import { gpt2Model } from './gpt2.js'
import { bertModel } from './bert.js'
import { vitModel } from './vit.js'
import { isHeadless, llamaEncoder, llamaModel } from './llama.js'
import type { OnnxModel } from './onnx-model.js'
import type { ModelFiles, RawConfig } from './raw-config.js'
import { resNetModel } from './resnet.js'
import type { TfjsGraphModel } from './tfjs-model.js'
import { withUsualNames } from './stored-names.js'
import type { TextEncoder } from './text-encoder.js'
import { settledHead } from './tied-head.js'
import { openTokenizer, type Tokenizer } from './tokenizer.js'

/** A model with its files open; `close` releases them. */
export type OpenedModel = LanguageModel | TextEncoder | ImageClassifier | OnnxModel | TfjsGraphModel

export interface OpenModelOptions {
  /** Besides those of @tersor/core: the codecs that its trees may use. */
  readonly codecs?: readonly Codec[]
  /** Whether only parameters will be asked for: what takes an engine to be put together, as layers of tfjs do, is left alone then. */
  readonly parametersOnly?: boolean
}

const fileSystem = () => globalThis.process.getBuiltinModule('node:fs/promises')

/** A description may name this much; beyond it the file is no description. */
const MAX_DESCRIPTION_BYTES = 1 << 20
/** Settings have four levels; more than this is damage, and reading on would overflow the stack. */
const MAX_SETTINGS_DEPTH = 32

const accepted =
  'Pass a Hugging Face folder (config.json, model.safetensors), a .gguf or .onnx file, the model.json of tfjs, or NAME.safetensors with NAME.json beside it.'

const unknownKind = (path: string): CompressionError =>
  new CompressionError('UNSUPPORTED', `${path} is no model that this package opens.`, accepted, { path })

/** Reads the description beside a file of weights; throws NOT_FOUND where there is none and BAD_FILE where it cannot be read. */
const readDescription = async (weights: string): Promise<RawConfig> => {
  const path = weights.replace(/\.safetensors$/, '.json')
  const fs = fileSystem()
  const size = await fs.stat(path).then(
    stat => stat.size,
    (cause: unknown) => {
      throw new CompressionError('NOT_FOUND', `${weights} has no ${path} beside it.`, accepted, { path }, cause)
    },
  )
  const bad = (what: string, cause?: unknown): CompressionError =>
    new CompressionError('BAD_FILE', `${path} ${what}.`, 'Take the description that was saved with these weights.', { path }, cause)
  if (size > MAX_DESCRIPTION_BYTES) throw bad(`has ${size} bytes, too many for a description`)
  try {
    const value = parseJson(await fs.readFile(path, 'utf8'), path, MAX_SETTINGS_DEPTH)
    if (isRecord(value)) return value
  } catch (cause) {
    throw bad('is no JSON', cause)
  }
  throw bad('is not an object')
}

/** Builds a model over an open store, and closes the store where that fails. */
const over = async <T>(store: { close(): Promise<void> }, build: () => T | Promise<T>): Promise<T> => {
  try {
    return await build()
  } catch (error) {
    await store.close()
    throw error
  }
}

const tokenizerOf = (files: ModelFiles): { readonly tokenizer?: Tokenizer } =>
  files['tokenizer.json'] ? { tokenizer: openTokenizer(files) } : {}

/** A small file of settings beside the weights; empty where it is missing. */
const jsonOf = (files: ModelFiles, name: string): RawConfig => {
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

type Build = (config: RawConfig, params: ParameterStore, extras: LanguageModelExtras) => OpenedModel

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
  return (raw, params, extras) => (isHeadless(raw, params) ? llamaEncoder : llamaModel)(raw, params, extras)
}

const openFolder = async (path: string, codecs: readonly Codec[]): Promise<OpenedModel> => {
  const folder = await openHuggingFace(path, { codecs })
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

const openDescribed: Open = async (path, { codecs }) => {
  const description = await readDescription(path)
  if (typeof description.name !== 'string') throw badField('name', description.name, 'the name of a network, such as "resnet20"')
  const params = await openSafetensors(path, { codecs })
  return over(params, () => resNetModel(description, params, { provenance: params.provenance, close: () => params.close() }))
}

const openGgufFile = async (path: string): Promise<OpenedModel> => {
  const { config, metadata, params, files, provenance, close } = await openGguf(path)
  return over({ close }, () => {
    if (!config) {
      const architecture = String(metadata.get('general.architecture')?.value).slice(0, 80)
      const known = Object.keys(GGUF_ARCHITECTURES)
      throw new CompressionError(
        'UNSUPPORTED',
        `${path} holds the architecture ${JSON.stringify(architecture)}, which this package does not run.`,
        `Known are ${known.join(', ')}.`,
        { path, architecture, known },
      )
    }
    const generation = files['generation_config.json'] ? { generationConfig: jsonOf(files, 'generation_config.json') } : {}
    return llamaModel(config, params, { files, metadata, provenance, close, ...generation, ...tokenizerOf(files) })
  })
}

type Open = (path: string, options: Required<Pick<OpenModelOptions, 'codecs'>> & OpenModelOptions) => Promise<OpenedModel>

/** Graphs are seldom opened, and their schema takes longer to load than all networks. */
const openOnnxGraph = async (path: string): Promise<OpenedModel> => (await import('./onnx-model.js')).openOnnxModel(path)

/** A graph in a folder for transformers.js, with its tokenizer where it is a decoder. */
const openGraphWithText = async (graph: string, folder: string): Promise<OpenedModel> => {
  const model = await (await import('./onnx-model.js')).openOnnxModel(graph)
  const { textOfGraph } = await import('./graph-text.js')
  return over({ close: async () => model.close?.() }, async () => {
    const text = await textOfGraph(folder, model)
    return text ? Object.freeze({ ...model, text }) : model
  })
}
const openTfjsGraph: Open = async (path, { parametersOnly = false }) =>
  (await import('./tfjs-model.js')).openTfjsModel(path, { parametersOnly })

/** How a file is opened, by the end of its name. */
const OPENERS: Readonly<Record<string, Open>> = {
  '.gguf': openGgufFile,
  '.onnx': openOnnxGraph,
  '.safetensors': openDescribed,
  '.json': openTfjsGraph,
}

/** The model.json of a folder that tfjsSink or a converter of TensorFlow.js made. */
const tfjsIn = async (path: string): Promise<string | undefined> => {
  const names = await fileSystem().readdir(path)
  return names.includes('model.json') && !names.includes('config.json') ? `${path}/model.json` : undefined
}

/** The graph of a folder that is for transformers.js: one without weights of its own. */
const graphIn = async (path: string): Promise<string | undefined> => {
  const list = (folder: string): Promise<string[]> =>
    fileSystem()
      .readdir(folder)
      .catch(() => [])
  if ((await list(path)).some(name => name.endsWith('.safetensors') || name.endsWith('.safetensors.index.json'))) return undefined
  const [first] = (await list(`${path}/onnx`)).filter(name => name.endsWith('.onnx')).sort()
  return first && `${path}/onnx/${first}`
}

/**
 * Opens the model at a path: a Hugging Face folder, a GGUF file, an ONNX graph or a folder with one, the model.json of a tfjs graph or layers
 * model or the folder with it, or a ResNet's weights with their description beside them.
 * Only headers and small files are read. Throws NOT_FOUND, UNSUPPORTED (saying what is accepted) and what the reader of the format throws.
 */
export const openModel = async (path: string, { codecs = [], ...rest }: OpenModelOptions = {}): Promise<OpenedModel> => {
  const options = { ...rest, codecs: [...CORE_CODECS, ...codecs] }
  const stat = await fileSystem()
    .stat(path)
    .catch((cause: unknown) => {
      throw new CompressionError('NOT_FOUND', `There is nothing at ${path}.`, accepted, { path }, cause)
    })
  if (stat.isDirectory()) {
    const [graph, layers] = [await graphIn(path), await tfjsIn(path)]
    if (graph !== undefined) return openGraphWithText(graph, path)
    return quantizedActivations(await (layers === undefined ? openFolder(path, options.codecs) : openTfjsGraph(layers, options)))
  }
  const kind = Object.keys(OPENERS).find(end => path.toLowerCase().endsWith(end))
  if (kind === undefined) throw unknownKind(path)
  return quantizedActivations(await OPENERS[kind](path, options))
}
