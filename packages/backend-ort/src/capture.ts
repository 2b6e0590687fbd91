import * as tf from '@tensorflow/tfjs-core'
import { runPlan } from './compile.js'
import type { Embeds } from './compile.js'
import { engineOfBackend } from './control.js'
import type { OrtEngine } from './engine.js'
import type { Run } from './executor.js'
import { BACKEND_NAME } from './register.js'
import { sizeOf } from './shapes.js'
import { newValue } from './trace.js'
import type { DType, NativeArray, Operand, Shape, Value } from './trace-types.js'

type Tensors = tf.Tensor | tf.Tensor[]

/** A function that replays its recorded graph. */
export interface Captured<R extends Tensors> {
  (...inputs: tf.Tensor[]): R
  /** Frees the graph and the constants it holds. */
  dispose(): void
}

/** Where the value of a graph input comes from at each call. */
type Source = { readonly variable: tf.Variable } | { readonly argument: number } | { readonly constant: Operand }

interface Program {
  readonly run: Run
  readonly sources: readonly Source[]
  /** Per output: the variable it becomes, if any. */
  readonly assigned: readonly (tf.Variable | undefined)[]
  /** Per returned tensor: the output it is, and its shape. */
  readonly returned: readonly { readonly output: number; readonly shape: Shape }[]
  readonly single: boolean
}

export interface CaptureOptions {
  /** The call that is recorded: the first where the function creates no variables, such as an optimiser's; 'second' is the default. */
  readonly records?: 'first' | 'second'
  /**
   * Whether float tensors that are neither arguments nor variables are copied into the graph, up to a quarter GiB: ONNX Runtime then
   * arranges weights once instead of at every product. Pays for weights that are used often; such tensors may be disposed at once.
   */
  readonly embeds?: boolean
  /** What becomes of a function that no single graph holds, such as one that reads values: an error, or its JavaScript at every call. */
  readonly refused?: 'throw' | 'run'
}

/** Bytes of constants in one graph at most. */
const MOST_EMBEDDED = 2 ** 28

/** Says yes to float constants until the room is used up. */
function embedding(known: ReadonlyMap<Value, Source>): Embeds {
  let room = MOST_EMBEDDED
  return ({ value, dtype, shape }) => {
    const bytes = 4 * sizeOf(shape)
    if (known.has(value) || dtype !== 'float32' || bytes > room) return false
    room -= bytes
    return true
  }
}

const variables = () => Object.values(tf.engine().registeredVariables)
const listOf = (tensors: Tensors): tf.Tensor[] => (Array.isArray(tensors) ? tensors : [tensors])
const refuse = (what: string, remedy: string) => new Error(`capture: ${what}\n${remedy}`)

function sourceOf(operand: Operand, before: ReadonlyMap<Value, Source>): Source {
  const known = before.get(operand.value)
  if (known !== undefined) return known
  operand.value.pins++ // a constant: keep its array as long as the program lives
  return { constant: operand }
}

/** What a call under observation did. */
interface Recording {
  readonly runs: readonly Run[]
  /** Whether it read the values of an argument or variable: what it made of them is no part of the graph. */
  readonly read: boolean
}

/** Calls the function and watches what it runs and reads. */
function observe(engine: OrtEngine, work: () => void, embeds: Embeds | undefined, before: ReadonlyMap<Value, Source>): Recording {
  const { backend } = engine
  let read = false
  backend.onRead = value => (read ||= before.has(value))
  try {
    const runs = engine.observe(work, embeds)
    return { runs, read }
  } finally {
    backend.onRead = null
  }
}

/** Where the inputs of a recorded run come from and its outputs go; throws for what cannot be replayed. */
function programOf(engine: OrtEngine, { runs, read }: Recording, result: Tensors, before: ReadonlyMap<Value, Source>): Program {
  const valueOf = (tensor: tf.Tensor) => engine.backend.valueFor(tensor.dataId)
  if (read && runs.length === 1)
    throw refuse('the function reads values of what it is given.', 'Read no values in it, and use kernels that run natively.')
  const [run] = runs
  if (runs.length !== 1 || run === undefined)
    throw refuse(`the function ran ${runs.length} graphs instead of one.`, 'Read no values in it, and use kernels that run natively.')
  const targets = new Map(variables().map(variable => [valueOf(variable), variable]))
  const assigned = run.outputs.map(({ value }) => targets.get(value))
  const returned = listOf(result).map(tensor => ({
    output: run.outputs.findIndex(({ value }) => value === valueOf(tensor)),
    shape: tensor.shape,
  }))
  if (returned.some(({ output }) => output < 0))
    throw refuse('the function returns a tensor that it did not compute.', 'Return computed tensors only.')
  const taken = new Set(returned.map(({ output }) => output))
  if (assigned.some((variable, output) => variable === undefined && !taken.has(output)))
    throw refuse(
      'the function keeps a tensor that it neither returns nor assigns to a variable.',
      'Make its state variables and assign to them.',
    )
  run.plan.retained = true
  const sources = run.plan.fed.map(slot => sourceOf(run.inputs[slot], before))
  return { run, sources, assigned, returned, single: !Array.isArray(result) }
}

/** Frees graphs that nobody else has, which a refused function leaves behind. */
function disposeRuns(runs: readonly Run[]): void {
  for (const { plan } of runs) if (plan.forgotten) plan.session.dispose()
}

/** Runs the function once under observation and writes down where its inputs come from and its outputs go. */
function record<R extends Tensors>(
  engine: OrtEngine,
  compute: (...inputs: tf.Tensor[]) => R,
  inputs: tf.Tensor[],
  { embeds = false, refused = 'throw' }: CaptureOptions,
): [R, Program | null] {
  const { backend } = engine
  const valueOf = (tensor: tf.Tensor) => backend.valueFor(tensor.dataId)
  engine.flush()
  const before = new Map<Value, Source>()
  for (const variable of variables()) before.set(valueOf(variable), { variable })
  inputs.forEach((input, argument) => before.set(valueOf(input), { argument }))
  for (const value of before.keys()) value.literal = false // a scalar argument would become a constant of the graph
  let result: R | undefined
  const work = () => void (result = tf.tidy(() => compute(...inputs)))
  const recording = observe(engine, work, embeds ? embedding(before) : undefined, before)
  try {
    return [result!, programOf(engine, recording, result!, before)]
  } catch (error) {
    disposeRuns(recording.runs)
    if (refused === 'throw') throw error
    return [result!, null]
  }
}

function currentOperand(engine: OrtEngine, source: Source, recorded: Operand, inputs: readonly tf.Tensor[]): Operand {
  if ('constant' in source) return source.constant
  const tensor = 'variable' in source ? source.variable : inputs[source.argument]
  const value = engine.backend.valueFor(tensor.dataId)
  engine.backend.materialise(value)
  return { ...recorded, value }
}

function tensorFrom(engine: OrtEngine, array: NativeArray, dtype: DType, shape: Shape): tf.Tensor {
  const value: Value = { ...newValue(dtype), values: array }
  return tf.engine().makeTensorFromTensorInfo(engine.backend.own({ value, shape, dtype }), engine.backend) as tf.Tensor
}

function replay<R extends Tensors>(engine: OrtEngine, program: Program, inputs: readonly tf.Tensor[]): R {
  const { run, sources, assigned, returned, single } = program
  engine.flush()
  const operands = [...run.inputs]
  run.plan.fed.forEach((slot, index) => (operands[slot] = currentOperand(engine, sources[index], run.inputs[slot], inputs)))
  const arrays = runPlan(engine.native, engine.pool, run.plan, operands, run.outputs)
  const tensors = run.outputs.map(({ dtype, shape }, output) => tensorFrom(engine, arrays[output], dtype, shape))
  const results = returned.map(({ output, shape }) => tf.reshape(tensors[output], [...shape]))
  assigned.forEach((variable, output) => variable?.assign(tf.reshape(tensors[output], variable.shape)))
  return (single ? results[0] : results) as R
}

/**
 * Makes a function that runs its JavaScript twice, the second time to record it, and from then on replays the compiled graph alone.
 * The function may read and assign variables and use its arguments and constant tensors; it may not read values.
 * JavaScript numbers in it are frozen: pass what changes as a tensor. Other shapes of the arguments are recorded anew.
 * On another backend it is the function itself, and with `refused: 'run'` also where no single graph holds it.
 */
export function capture<R extends Tensors>(compute: (...inputs: tf.Tensor[]) => R, options: CaptureOptions = {}): Captured<R> {
  const { records = 'second', refused = 'throw' } = options
  const programs = new Map<string, Program | null>()
  const tried = new Set<string>()
  const call = (...inputs: tf.Tensor[]): R => {
    if (tf.getBackend() !== BACKEND_NAME) return tf.tidy(() => compute(...inputs))
    const engine = engineOfBackend()
    const key = inputs.map(input => `${input.dtype}[${input.shape}]`).join()
    const program = programs.get(key)
    if (program) return tf.tidy(() => replay<R>(engine, program, inputs))
    if (program === undefined && records === 'second') {
      programs.set(key, null) // the first call may create variables, such as an optimiser's
      return tf.tidy(() => compute(...inputs))
    }
    if (program === null && refused === 'run' && tried.has(key)) return tf.tidy(() => compute(...inputs))
    tried.add(key)
    const [result, recorded] = record(engine, compute, inputs, options)
    programs.set(key, recorded)
    return result
  }
  const dispose = () => {
    for (const program of programs.values()) if (program) release(program)
    programs.clear()
  }
  return Object.assign(call, { dispose })
}

function release({ run, sources }: Program): void {
  run.plan.retained = false // the cache has it again, for a function that records the same
  if (run.plan.forgotten) run.plan.session.dispose()
  const { backend } = engineOfBackend()
  for (const source of sources) {
    if (!('constant' in source)) continue
    source.constant.value.pins--
    backend.recycle(source.constant.value)
  }
}
