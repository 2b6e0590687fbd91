import { bytesText, note, textWidth, paint, writeResult, type Terminal } from '../output.js'
import { tableOf } from '../table.js'
import { memoryBound } from '../memory-bound.js'
import { plannedTensors, unforeseen, type PlannedTensor } from '../plan/planned-tensors.js'
import { chosenSteps } from '../targets/chosen-steps.js'
import { inTarget, type TargetFlags } from '../targets/in-target.js'
import { wrapped } from '../wrapped.js'
import { withModel } from '../with-model.js'
import { writerOf } from '../writer-of.js'
import { askedRun } from '../asked-run.js'
import { inFormat } from '../in-format.js'
import { inFormatOf } from '../in-format-of.js'

/** MiB of activations, as `compress` has it where nothing else is said. */
const ACTIVATIONS = 512

/** Tensors that differ by the numbers in their names alone, and are treated alike. */
interface Run {
  readonly name: string
  readonly first: PlannedTensor
  readonly count: number
  readonly bytesBefore: number
  readonly bytes: number
}

const runsOf = (tensors: readonly PlannedTensor[]): readonly Run[] => {
  const runs = new Map<string, Run>()
  for (const tensor of tensors) {
    const name = tensor.name.replace(/(?<=^|[._/])\d+(?=$|[._/])/g, '*')
    const key = [name, tensor.shape.join('×'), tensor.from, tensor.to].join(' ')
    const { count = 0, bytesBefore = 0, bytes = 0, first = tensor } = runs.get(key) ?? {}
    runs.set(key, { name, first, count: count + 1, bytesBefore: bytesBefore + tensor.bytesBefore, bytes: bytes + tensor.bytes })
  }
  return [...runs.values()]
}

const sum = (tensors: readonly PlannedTensor[], of: 'bytes' | 'bytesBefore'): number => tensors.reduce((total, each) => total + each[of], 0)

const NARROW = 80

const timeText = (seconds: number): string =>
  seconds < 90
    ? `${Math.max(1, Math.round(seconds))} s`
    : seconds < 5400
      ? `${Math.round(seconds / 60)} min`
      : `${(seconds / 3600).toFixed(1)} h`

/** Rows of a table, in which names are cut from their beginning where there is little room. */
const rowsOf = (runs: readonly Run[], width: number): readonly (readonly (string | number)[])[] => {
  const both = width - (width < NARROW ? 26 : 32)
  const most = Math.max(7, ...runs.map(({ first }) => first.to.length))
  const forCalls = Math.min(most, Math.floor(both / 2))
  const forNames = both - forCalls
  const cut = (text: string): string => (text.length <= forNames ? text : `…${text.slice(text.length - forNames + 1)}`)
  const ended = (text: string): string => (text.length <= forCalls ? text : `${text.slice(0, forCalls - 1)}…`)
  return runs.map(({ name, first, count, bytesBefore, bytes }) => [
    cut(first.name === name || count === 1 ? first.name : name),
    ...(width < NARROW ? [] : [count]),
    ended(first.to === '' ? 'stays' : first.to),
    bytesText(bytesBefore),
    bytesText(bytes),
  ])
}

export interface PlanFlags extends Omit<TargetFlags, 'steps' | 'format'> {
  readonly format?: TargetFlags['format']
  readonly step: readonly string[]
  readonly config?: string
  readonly out: string
}

/** `tersor plan MODEL`: who gets what, in bytes, before a weight is read. */
export const plan = async (
  terminal: Terminal,
  path: string | undefined,
  given: PlanFlags,
  isTyped: (flag: string) => boolean,
): Promise<void> => {
  const asked = await askedRun(path, given, isTyped)
  const request = await inFormat({ ...asked.flags, steps: asked.steps })
  await withModel(terminal, asked.model, async model => {
    const { flags: chosen, ...target } = await inTarget(model, request)
    const flags = inFormatOf(model, chosen)
    const steps = await chosenSteps(terminal, model, target.steps, flags.steps)
    const { packs = false } = await writerOf(flags.format)
    const others = unforeseen(steps)
    if (others.length > 0) note(terminal, `sizes are without what ${others.join(', ')} makes of the model as a whole`)
    const tensors = await plannedTensors({ model, steps, flags, weighs: target.weighs, packs })
    const [bytesBefore, bytes] = [sum(tensors, 'bytesBefore'), sum(tensors, 'bytes')]
    const calibrated = flags.calibrate.length > 0
    const memory = memoryBound(model, { calibrated, ...(calibrated ? { activationBytes: ACTIVATIONS * 2 ** 20 } : {}) })
    const parameters = tensors.reduce((count, { shape }) => count + shape.reduce((product, extent) => product * extent, 1), 0)
    const seconds = tensors.reduce((total, each) => total + (each.seconds ?? 0), 0)
    const needs = `at most ${bytesText(memory)} of memory${seconds > 0 ? `, about ${timeText(seconds)} of rounding, reading and writing aside` : ''}`
    const runs = runsOf(tensors)
    const width = textWidth(terminal)
    const head = ['tensor', ...(width < NARROW ? [] : ['count']), 'becomes', 'now', 'then']
    const right = head.map((_, i) => i).filter(i => head[i] !== 'tensor' && head[i] !== 'becomes')
    const total = `${paint(terminal, flags.format, 'bold')}  ${bytesText(bytesBefore)} → ${bytesText(bytes)}  ${((8 * bytes) / parameters).toFixed(2)} bits/weight\n${wrapped(needs, width)}`
    writeResult(
      terminal,
      {
        format: flags.format,
        steps: target.steps ?? asked.texts ?? [],
        bytesBefore,
        bytes,
        bitsPerWeight: (8 * bytes) / parameters,
        memory,
        seconds,
        tensors,
      },
      `${tableOf(terminal, head, rowsOf(runs, width), right)}\n\n${total}`,
    )
  })
}
