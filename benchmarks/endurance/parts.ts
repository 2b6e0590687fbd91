import { compress, pack, pipeline } from '@tersor/core'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { selectEngine } from '@tersor/kernels'
import { openModel, type LanguageModel } from '@tersor/models'
import { memoryStore, type Parameter } from '@tersor/tensor'
import { readCalibration } from '../../packages/tersor/src/calibration.js'
import { makeStep } from '../../packages/tersor/src/methods.js'

/** Seconds. */
export interface Parts {
  readonly reading: number
  readonly computing: number
  readonly writing: number
  readonly tokens: number
}

const timed = async <T>(work: () => Promise<T>): Promise<readonly [T, number]> => {
  const started = performance.now()
  const result = await work()
  return [result, (performance.now() - started) / 1000]
}

/** Reads all weights, compresses them in memory and writes the result, one after the other. */
export const measureParts = async (path: string, text: string, step: string, out: string): Promise<Parts> => {
  await selectEngine()
  const model = (await openModel(path)) as LanguageModel
  const weights: Record<string, Parameter> = {}
  const [, reading] = await timed(async () => {
    for (const name of model.params.names()) weights[name] = await model.params.read(name)
  })
  const calibration = text === '-' ? [] : (await readCalibration(model, [text], path)).batches
  const steps = pipeline(await makeStep(step, process.cwd()), pack())
  const loaded = { ...model, params: memoryStore(weights) }
  const [small, computing] = await timed(() => compress(loaded, steps, calibration.length > 0 ? { calibration } : {}))
  const [, writing] = await timed(async () => {
    const sink = huggingFaceSink(out, { config: model.rawConfig, files: model.files ?? {} })
    for (const name of small.params.names()) await sink.write(name, await small.params.read(name))
    await (await sink.finish()).close?.()
  })
  await model.close?.()
  return { reading, computing, writing, tokens: calibration.reduce((sum, batch) => sum + batch.size, 0) }
}
