import type { Step } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import { defined } from '../defined.js'
import type { FormatFlags, OutputFormat } from '../format-flags.js'
import type { Target, Variant } from './target.js'
import { TARGETS, type TargetName } from './targets.js'

/** What of a command line chooses a target. */
export interface TargetFlags extends FormatFlags {
  readonly for?: TargetName
  readonly bits?: number
  /** Whether --format or the end of --out says the format. */
  readonly formatIsAsked?: boolean
  /** None where the target is to choose them. */
  readonly steps: readonly Step[]
  readonly calibrate: readonly string[]
}

/** Flags with what a target stands for filled in. */
export interface Targeted<F> {
  readonly flags: F
  /** Steps of the target as calls, where it chooses them; none where nothing but the writer changes the weights. */
  readonly steps?: readonly string[]
  /** Whether columns are to be weighed by what calibration shows. */
  readonly weighs: boolean
  readonly variants: readonly Variant[]
  /** What the runtime calls the file that is written first, where it chooses among several. */
  readonly fileName?: string
}

const badOption = (what: string, remedy: string, fields: object): CompressionError =>
  new CompressionError('BAD_OPTION', what, remedy, { ...fields })

const formatFor = ({ name, formats }: Target, { format, formatIsAsked = false }: TargetFlags, bits: number): OutputFormat => {
  if (!formatIsAsked) return name === 'vllm' && bits === 16 ? 'huggingface' : formats[0]
  if (formats.includes(format)) return format
  throw badOption(
    `--for ${name} takes ${formats.join(', ')}, and the format is ${format}.`,
    'Leave --format out, and choose an --out that goes with it.',
    { format },
  )
}

/**
 * Fills in what `--for` and `--bits` stand for: format, steps where none are given, and options of the format where they are not.
 * Throws BAD_OPTION for bits or a format that the target has not, and for bits without a target.
 */
export const inTarget = async <F extends TargetFlags>(model: OpenedModel, flags: F): Promise<Targeted<F>> => {
  if (flags.for === undefined) {
    if (flags.bits === undefined) return { flags, weighs: false, variants: [] }
    throw badOption(
      `--bits ${flags.bits} is given without --for.`,
      'Say where the result is to run, such as --for llama.cpp, or give a step its own bits.',
      { bits: flags.bits },
    )
  }
  if (!Object.hasOwn(TARGETS, flags.for))
    throw badOption(`There is no target ${JSON.stringify(flags.for)}.`, `Targets are ${Object.keys(TARGETS).join(', ')}.`, {
      for: flags.for,
    })
  const target: Target = await TARGETS[flags.for]()
  const bits = flags.bits ?? target.usualBits(model)
  if (!target.bits.includes(bits))
    throw badOption(`--for ${target.name} has no ${bits} bits.`, `Pass --bits ${target.bits.join(', ').replace(/, (\d+)$/, ' or $1')}.`, {
      bits,
    })
  const format = formatFor(target, flags, bits)
  if (flags.steps.length > 0) return { flags: { ...flags, format }, weighs: false, variants: [] }
  const request = { model, bits, format, calibrated: flags.calibrate.length > 0 }
  const { steps, options = {}, weighs = false } = target.plan(request)
  const { type, form, dtype, checkpointFormat } = flags
  const asked = defined({ type, form, dtype, checkpointFormat })
  return {
    flags: { ...flags, ...options, ...asked, format },
    steps,
    weighs: weighs && flags.imatrix === undefined,
    variants: target.variants?.({ ...request, isAsked: flags.bits !== undefined }) ?? [],
    ...(target.nameOf ? { fileName: target.nameOf(bits) } : {}),
  }
}
