import * as tf from '@tensorflow/tfjs-core'
import { bytesOf, CompressionError, outlineOf, type Outline, type Parameter } from '@tersor/tensor'
import { sha256Digests, type Digests } from './digest.js'
import type { Step } from '../step/method.js'
import type { Model } from '../model/model.js'
import type { Fingerprint } from './scratch.js'
import { VERSION } from '../version.js'

const sha256OfJson = (value: unknown): Promise<string> => sha256Digests().of(new TextEncoder().encode(JSON.stringify(value)))

/** The tree as JSON with a digest for the bytes of each leaf. */
const identityOf = async (parameter: Parameter | Outline, digests: Digests): Promise<unknown> => {
  if (parameter.kind === 'dense') {
    const { dtype, shape } = parameter
    const { read } = 'bytes' in parameter ? outlineOf(parameter) : parameter
    return [dtype, shape, await digests.ofRead(bytesOf(dtype, shape), read)]
  }
  const parts: unknown[] = []
  for (const [name, part] of Object.entries<Parameter | Outline>(parameter.parts)) parts.push([name, await identityOf(part, digests)])
  return [parameter.codec.name, parameter.shape, parameter.attrs, parts]
}

/** Hashes every byte of a model: times and sizes of files say nothing sure of what is in them. */
export const modelIdentity = async ({ params, stages, topology }: Model, signal?: AbortSignal): Promise<string> => {
  const digests = sha256Digests()
  const parameters: unknown[] = topology ? [await digests.of(topology())] : []
  for (const name of params.names()) {
    signal?.throwIfAborted()
    parameters.push([name, await identityOf(params.outline?.(name) ?? (await params.read(name, signal ? { signal } : {})), digests)])
  }
  return sha256OfJson([parameters, stages.map(stage => [stage.name, stage.parameters, stage.sites])])
}

const batchesIdentity = async (batches: readonly tf.Tensor[]): Promise<string> => {
  const parts: unknown[] = []
  for (const batch of batches) {
    const { buffer, byteOffset, byteLength } = await batch.data<'float32' | 'int32'>()
    parts.push([batch.shape, batch.dtype, await sha256Digests().of(new Uint8Array(buffer, byteOffset, byteLength))])
  }
  return sha256OfJson(parts)
}

/** A step as data: its name and options, and its steps where it is a pipeline. */
const describeStep = (step: Step): unknown => {
  if (step.kind === 'pass' && step.steps) return step.steps.map(describeStep)
  return { step: step.name, ...step.options, ...(step.kind === 'method' && step.only !== undefined ? { only: step.only } : {}) }
}

export interface FingerprintInput {
  readonly model: Model
  readonly step: Step
  readonly seed: number
  readonly calibration: readonly tf.Tensor[]
  readonly signal: AbortSignal
  /** What only the caller knows of, such as the threads of the engine. */
  readonly facts: Fingerprint
}

/** What decides the bytes of a run, by name. Reads the whole model once, in pieces where its store gives outlines. Throws BAD_OPTION for a fact under a name that is taken. */
export const fingerprintOf = async ({ model, step, seed, calibration, signal, facts }: FingerprintInput): Promise<Fingerprint> => {
  const own = {
    version: VERSION,
    engine: tf.getBackend(),
    seed: String(seed),
    pipeline: JSON.stringify(describeStep(step)),
    calibration: await batchesIdentity(calibration),
    model: await modelIdentity(model, signal),
  }
  const taken = Object.keys(facts).find(name => name in own)
  if (taken === undefined) return { ...own, ...facts }
  throw new CompressionError('BAD_OPTION', `facts has a fact called "${taken}".`, 'Choose another name: this one is filled in already.', {
    name: taken,
  })
}
