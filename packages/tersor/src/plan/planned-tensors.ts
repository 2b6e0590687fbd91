import { callText, selects, sitesOf, type Method, type Site, type Step } from '@tersor/core'
import type { GgufSinkOptions } from '@tersor/formats/gguf'
import type { OpenedModel } from '@tersor/models/open-model'
import { DTYPES, sizeOf, type DType } from '@tersor/tensor'
import type { FormatFlags } from '../format-flags.js'
import { listMethods } from '../methods.js'
import { measuredSize } from './measured-size.js'

/** What will become of a parameter. */
export interface PlannedTensor {
  readonly name: string
  readonly shape: readonly number[]
  /** What it is stored as, and its bytes, now. */
  readonly from: string
  readonly bytesBefore: number
  /** The steps that change it, as calls, or the type that the writer gives it; nothing where it stays. */
  readonly to: string
  readonly bytes: number
  /** Of computing, roughly; absent where no step changes it. */
  readonly seconds?: number
}

const isMethod = (step: Step): step is Method => step.kind === 'method'

/** Methods that a step chooses among, in order. */
export const methodsIn = (step: Step): readonly Method[] => {
  if (isMethod(step)) return [step]
  return step.methods ?? (step.steps ?? []).flatMap(methodsIn)
}

/** Which of several methods takes a site: every one of a list of steps, the first of rules. */
const takersOf = (steps: readonly Step[], site: Site): readonly Method[] =>
  steps.flatMap(step => {
    if (step.kind === 'pass' && step.steps) return takersOf(step.steps, site)
    const taker = methodsIn(step).find(method => selects(method)(site))
    return taker ? [taker] : []
  })

/** Passes that see the model as a whole: what they make of sizes is not foreseen. */
export const unforeseen = (steps: readonly Step[]): readonly string[] =>
  steps.flatMap(step => (step.kind === 'pass' && step.steps ? unforeseen(step.steps) : methodsIn(step).length === 0 ? [step.name] : []))

const floatBytes = (shape: readonly number[], dtype: DType): number => Math.ceil((sizeOf(shape) * DTYPES[dtype].bits) / 8)

/** Options of a GGUF file that rounds by itself; undefined for other results. */
const roundingOf = async (model: OpenedModel, { format, type }: FormatFlags, weighs: boolean) => {
  if (format !== 'gguf' || type === undefined) return undefined
  const { MIXTURES, plannedTensor } = await import('@tersor/formats/gguf')
  const how = (Object.hasOwn(MIXTURES, type) ? { mixture: type } : { type }) as Pick<GgufSinkOptions, 'mixture' | 'type'>
  const options = { ...how, config: model.rawConfig, ...(weighs ? { imatrix: { entries: new Map() } } : {}) }
  return (name: string, shape: readonly number[]) => plannedTensor(options, name, shape)
}

export interface PlanRequest {
  readonly model: OpenedModel
  readonly steps: readonly Step[]
  readonly flags: FormatFlags
  readonly weighs: boolean
  readonly packs: boolean
}

/** What becomes of every parameter, from the headers of the model alone. */
export const plannedTensors = async ({ model, steps, flags, weighs, packs }: PlanRequest): Promise<readonly PlannedTensor[]> => {
  const sites = new Map(sitesOf(model).map(site => [site.weight, site] as const))
  for (const site of sitesOf(model)) if (takersOf(steps, site).length > 0) sites.set(site.weight, site) // of sites that share a weight
  const round = await roundingOf(model, flags, weighs)
  const sizes = new Map<string, ReturnType<typeof measuredSize>>()
  const planned: PlannedTensor[] = []
  for (const name of model.params.names()) {
    const { shape, dtype, codec, byteLength } = model.params.info(name)
    const before = { name, shape, from: codec ?? dtype ?? '', bytesBefore: byteLength }
    const site = sites.get(name)
    const takers = site ? takersOf(steps, site) : []
    const float = dtype && DTYPES[dtype].kind === 'float' ? dtype : 'f32'
    if (takers.length > 0) {
      const rows = shape[site!.outAxis]
      const trial = { site: site!, steps: takers, dtype: float, rows, columns: sizeOf(shape) / rows, packs }
      const to = takers.map(shortCall).join(' → ')
      const key = `${to} ${trial.rows} ${trial.columns} ${float}`
      if (!sizes.has(key)) sizes.set(key, measuredSize(trial))
      planned.push({ ...before, to, ...(await sizes.get(key)!) })
    } else if (round) {
      const { type, bytes } = round(name, shape)
      planned.push({ ...before, to: type, bytes })
    } else if (flags.dtype !== undefined && dtype && DTYPES[dtype].kind === 'float')
      planned.push({ ...before, to: flags.dtype, bytes: floatBytes(shape, flags.dtype as DType) })
    else planned.push({ ...before, to: '', bytes: byteLength })
  }
  return planned
}

/** A call with what differs from the defaults, without the names that it is limited to. */
const shortCall = ({ name, options = {} }: Method): string => {
  const table = listMethods().find(({ factory }) => factory.description.name === name)?.factory.description.options ?? {}
  const isTold = ([option, value]: readonly [string, unknown]): boolean =>
    option !== 'only' && option !== 'except' && value !== table[option]?.default
  return callText({ name, options: Object.fromEntries(Object.entries(options).filter(isTold)) })
}
