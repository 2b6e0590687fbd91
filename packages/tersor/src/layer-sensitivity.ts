import type { Tensor } from '@tensorflow/tfjs-core'
import { compress, CORE_CODECS, sitesOf, type Method, type ProgressEvent, type Site, type Step } from '@tersor/core'
import { openSafetensors, safetensorsSink } from '@tersor/formats/safetensors'
import { scratchFolder } from '@tersor/formats/scratch'
import type { OpenedModel } from '@tersor/models/open-model'
import { CompressionError, type ParameterStore } from '@tersor/tensor'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Measurer, Measures } from './measures.js'

/** What a layer costs under a step while all others stay as they were. */
export interface LayerSensitivity extends Measures {
  readonly layer: string
  readonly step: string
  /** ‖W − Ŵ‖² / ‖W‖². */
  readonly error: number
  /** Bytes of its weight before and after. */
  readonly before: number
  readonly after: number
}

export interface SensitivityOptions {
  readonly measurer: Measurer
  readonly calibration: readonly Tensor[]
  readonly seed: number
  readonly signal: AbortSignal
  readonly onProgress: (event: ProgressEvent) => void
  /** Layers measured, of how many. */
  readonly onAdvance: (done: number, of: number, step: string) => void
}

/** A step that is tried, and how it is written. */
export interface Candidate {
  readonly text: string
  readonly step: Step
}

/** A pass changes several layers at once: no layer of its result stands by itself. */
const asMethod = ({ text, step }: Candidate): Method => {
  if (step.kind === 'method') return step
  throw new CompressionError(
    'BAD_OPTION',
    `${text} rewrites several layers at once, so no layer of it can be looked at alone.`,
    'Pass steps that compress one weight, such as rtn(bits=4) or gptq(bits=4); tersor compare measures whole results.',
    { step: text },
  )
}

/** The original with one parameter of the result. */
const withOne = (model: OpenedModel, small: ParameterStore, weight: string): OpenedModel => {
  const of = (name: string): ParameterStore => (name === weight ? small : model.params)
  const params: ParameterStore = {
    names: () => model.params.names(),
    info: name => of(name).info(name),
    read: (name, options) => of(name).read(name, options),
  }
  return { ...model, params }
}

/** Compresses with one step, in a folder that vanishes with it, and hands over what each layer became. */
const withResult = async (
  model: OpenedModel,
  method: Method,
  options: SensitivityOptions,
  work: (small: ParameterStore, events: ReadonlyMap<string, Extract<ProgressEvent, { type: 'compressed' }>>) => Promise<void>,
): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'tersor-sensitivity-'))
  const file = join(folder, 'model.safetensors')
  const events = new Map<string, Extract<ProgressEvent, { type: 'compressed' }>>()
  const { seed, signal, onProgress, calibration } = options
  try {
    const small = await compress(model, method, {
      ...{ seed, signal, scratch: scratchFolder(join(folder, 'scratch')), sink: () => safetensorsSink(file) },
      ...(calibration.length > 0 ? { calibration } : {}),
      onProgress: event => {
        onProgress(event)
        if (event.type === 'compressed') events.set(event.site, event)
      },
    })
    await small.params.close?.()
    const store = await openSafetensors(file, { codecs: CORE_CODECS })
    try {
      await work(store, events)
    } finally {
      await store.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Errors and losses of each layer under each step, the other layers as they were: what mixed precision and `only` are chosen by.
 * A step that learns from inputs sees those that the layers before gave it once they were compressed, as in a whole run.
 * Throws BAD_OPTION for a pass, before anything is done, and what steps and measures throw.
 */
export const layerSensitivity = async (
  model: OpenedModel,
  candidates: readonly Candidate[],
  options: SensitivityOptions,
): Promise<readonly LayerSensitivity[]> => {
  const methods = candidates.map(candidate => ({ ...candidate, method: asMethod(candidate) }))
  const { measurer, signal, onAdvance } = options
  const rows: LayerSensitivity[] = []
  for (const { text, method } of methods)
    await withResult(model, method, options, async (small, events) => {
      const sites: readonly Site[] = sitesOf(model).filter(({ name }) => events.has(name))
      for (const [at, { name: layer, weight }] of sites.entries()) {
        signal.throwIfAborted()
        const { error, before, after } = events.get(layer)!
        rows.push({ layer, step: text, error, before, after, ...(await measurer.against(withOne(model, small, weight), model)) })
        onAdvance(at + 1, sites.length, text)
      }
    })
  const order = new Map(sitesOf(model).map(({ name }, at) => [name, at] as const))
  return rows.sort((a, b) => order.get(a.layer)! - order.get(b.layer)!)
}
