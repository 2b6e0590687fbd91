import { sizeOfModel } from '@tersor/evaluation/size-of-model'
import { CompressionError } from '@tersor/tensor'
import type { CompressionResult } from '../compression-result.js'
import { distanceOf, isCompared, measurerFor } from '../measures.js'
import { makeStep } from '../methods.js'
import { note, type Terminal } from '../output.js'
import type { SweptModel } from '../swept-model.js'
import { triedModel, type Trial, type TrialsHearing } from '../tried-model.js'
import { weightBytes } from '../weight-bytes.js'
import { withModel } from '../with-model.js'
import { familyOf, type OwnResult, type Rival } from './families.js'
import { ownResult } from './own-result.js'

/** What is benched, on what. */
export interface BenchRequest {
  /** One's own pipeline. */
  readonly steps: readonly string[]
  /** Pipelines to compare with, in the place of those of its family. */
  readonly against: readonly string[]
  readonly data?: readonly string[] | undefined
  readonly calibrate: readonly string[]
  readonly tokens: number
  readonly seed: number
}

/** A pipeline beside others. */
export interface BenchRow extends Omit<SweptModel, 'bitsPerWeight'> {
  /** Whether it is one's own. */
  readonly own: boolean
  /** Of the layers that it compressed, scales and masks included. */
  readonly bitsPerWeight?: number
  /** Of the run, without reading and measuring. */
  readonly seconds?: number
}

/** The best first: those that lost least, then those that could not be made. */
const inOrder = (rows: readonly BenchRow[]): readonly BenchRow[] => {
  const lossOf = (row: BenchRow): number => {
    if (row.failed !== undefined) return Infinity
    return isCompared(row) ? distanceOf(row) : (row.error ?? 0)
  }
  return [...rows].sort((a, b) => (lossOf(a) === lossOf(b) ? 0 : lossOf(a) - lossOf(b)))
}

const rivalsOf = (terminal: Terminal, own: OwnResult | undefined, { against, calibrate }: BenchRequest): readonly (readonly string[])[] => {
  if (against.length > 0) return against.map(steps => steps.split(' + '))
  const family = own && familyOf(own)
  if (!family) {
    note(terminal, 'no step of Tersor stores weights as this one does: name its rivals by --against')
    return []
  }
  const learns = ({ calibrated = false }: Rival): boolean => calibrated && calibrate.length === 0
  const left = family.rivals.filter(learns).map(({ steps }) => steps.join(' + '))
  if (left.length > 0) note(terminal, `left out without --calibrate: ${left.join(', ')}`)
  return family.rivals.filter(rival => !learns(rival)).map(({ steps }) => steps)
}

/** Tries one's own pipeline and then its rivals, and gives the rows. */
const tried = async (terminal: Terminal, path: string, request: BenchRequest, hearing: TrialsHearing, trial: Omit<Trial, 'look'>) => {
  const row = async (steps: readonly string[], own: boolean): Promise<{ readonly row: BenchRow; readonly seen?: OwnResult }> => {
    const found: { result?: CompressionResult; seen?: OwnResult } = {}
    const look: Trial['look'] = async (result, small) => {
      found.result = result
      if (own) found.seen = await ownResult(result, small)
    }
    const measured = await triedModel({ ...terminal, quiet: true }, path, steps, { ...trial, look })
    const { result, ...rest } = found
    const told = result && { bitsPerWeight: result.compressed.bitsPerWeight, seconds: result.seconds }
    return { row: { ...measured, own, ...told }, ...rest }
  }
  hearing.onAdvance(0, 1, request.steps.join(' + '))
  const { row: first, seen } = await row(request.steps, true)
  if (first.failed !== undefined)
    throw new CompressionError('COMPOSITION', `${request.steps.join(' + ')} did not run: ${first.failed}`, 'Run it by tersor compress --debug to see where it fails.') // prettier-ignore
  const rivals = rivalsOf(terminal, seen, request)
  const rows = [first]
  for (const [at, steps] of rivals.entries()) {
    hearing.signal.throwIfAborted()
    hearing.onAdvance(at + 1, rivals.length + 1, steps.join(' + '))
    rows.push((await row(steps, false)).row)
  }
  return inOrder(rows)
}

/**
 * Compresses a model by one's own steps and by standard ones of the same kind at the same bits, and measures each: the original first, then
 * the best first. Steps are all made before anything is done.
 * Throws BAD_OPTION, UNKNOWN_METHOD, COMPOSITION where one's own steps do not run, and what compressing and measuring throw.
 */
export const benchModels = async (
  terminal: Terminal,
  path: string,
  request: BenchRequest,
  hearing: TrialsHearing,
): Promise<readonly BenchRow[]> => {
  const { data, tokens, calibrate, seed, steps, against } = request
  await Promise.all([...steps, ...against.flatMap(each => each.split(' + '))].map(text => makeStep(text, process.cwd())))
  return withModel(terminal, path, async model => {
    const measurer = data && (await measurerFor(model, path, data, { tokens, signal: hearing.signal }))
    const trial = {
      ...{ calibrate, format: 'huggingface' as const, seed, hearing, parameters: sizeOfModel(model).parameters },
      against: async (small: typeof model) => (await measurer?.against(small, model)) ?? {},
    }
    const original = { steps: [], own: false, bytes: await weightBytes(path), ...(await measurer?.alone(model)) }
    return [original, ...(await tried(terminal, path, request, hearing, trial))]
  })
}
