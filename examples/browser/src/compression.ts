import { dispose, type Tensor } from '@tensorflow/tfjs-core'
import type { OpenedModel } from '@tersor/models/open-model'
import { compressInMemory, errorsOfLayers, filesAt, windowBatches, type TargetName } from 'tersor/browser'
import type { Answer, Compressed } from './messages.js'
import type { Opened } from './opened.js'

/** What is wanted of a model. */
export interface Wanted {
  readonly target: TargetName
  readonly bits: number
  readonly text: string | undefined
  readonly signal: AbortSignal
  readonly tell: (answer: Answer) => void
}

/** A result, and the model to compare with the one before. */
export interface Made {
  readonly result: Compressed
  readonly small: OpenedModel
  /** The file or folder in memory. */
  readonly path: string
}

/** Seen by nobody who downloads: it says which files Tersor may replace. */
const OWN_MARK = '.tersor.json'

const learnFrom = ({ model }: Opened, text: string | undefined): Tensor[] =>
  text === undefined || model.family !== 'language' ? [] : windowBatches(model, [{ text, specials: true }], 'The text').batches

/** A name that nothing has yet: results stay, so that the one before can be downloaded still. */
const freeName = ({ fileSystem, facts }: Opened, { target, bits }: Wanted): string => {
  const base = `${facts.name.replace(/\.(onnx|gguf)$/i, '')}-${target}-${bits}bit`.replaceAll('.', '-')
  const taken = (name: string): boolean => fileSystem.paths().some(path => path.split('/')[0].replace(/\.(onnx|gguf)$/, '') === name)
  for (let i = 1; ; i++) if (!taken(i === 1 ? base : `${base}-${i}`)) return i === 1 ? base : `${base}-${i}`
}

/** The files of a result, each as a Blob, and the bytes of the one that runs. */
const filesOf = async ({ fileSystem }: Opened, path: string) => {
  const paths = (await filesAt(fileSystem, path)).filter(each => !each.endsWith(OWN_MARK))
  const files = paths.map(each => ({ path: each, blob: fileSystem.blob(each) }))
  const graphs = files.filter(file => file.path.endsWith('.onnx')).sort((a, b) => a.path.length - b.path.length)
  const main = graphs.length > 0 ? graphs.slice(0, 1) : files.filter(file => /\.(safetensors|gguf)$/.test(file.path))
  const data = main.flatMap(file => files.filter(other => other.path === `${file.path}_data`))
  return { files, after: [...main, ...data].reduce((sum, { blob }) => sum + blob.size, 0) }
}

/** Compresses the model that is open for a runtime, and tells the error of each layer as it is known. */
export const compressOpened = async (opened: Opened, wanted: Wanted): Promise<Made> => {
  const { model, fileSystem, facts } = opened
  const { target, bits, signal, tell } = wanted
  const name = freeName(opened, wanted)
  const started = performance.now()
  const calibration = learnFrom(opened, wanted.text)
  const told = new Set<string>()
  const layer = (site: string, error: number): void => {
    told.add(site)
    tell({ type: 'layer', layer: site, error })
  }
  try {
    const { path, small, notes } = await compressInMemory({
      ...{ fileSystem, model, name, for: target, bits, calibration, signal },
      onProgress: event => {
        if (event.type === 'compressed' && !told.has(event.site)) layer(event.site, event.error)
        if (event.type === 'stage') tell({ type: 'advanced', label: event.pass, done: event.index, of: event.of })
      },
      onAdvance: (done, of, label) => tell({ type: 'advanced', label, done, of }),
    })
    const seconds = (performance.now() - started) / 1000
    // where the writer rounds, what it made of each layer is seen by reading it again
    if (told.size === 0) for await (const each of errorsOfLayers(small, model, signal)) layer(each.layer, each.error)
    return { path, small, result: { ...(await filesOf(opened, path)), name, before: facts.bytes, seconds, notes } }
  } finally {
    dispose(calibration)
  }
}
