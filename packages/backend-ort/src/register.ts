import { getKernelsForBackend, registerBackend, registerKernel } from '@tensorflow/tfjs-core'
import type { KernelConfig, KernelFunc, TensorInfo } from '@tensorflow/tfjs-core'
import { registerAdam } from './adam.js'
import type { OrtEngine } from './engine.js'
import { registerMatMulNBits } from './matmul-n-bits.js'
import { registerWriteRows } from './write-rows.js'
import { kernelTable } from './kernels/table.js'
import { sizeOf } from './shapes.js'
import type { Rule, RuleInputs, Operand } from './trace-types.js'

export const BACKEND_NAME = 'ort'
/** Above tfjs-cpu (1) and wasm (2), so that tfjs prefers it once imported. */
const PRIORITY = 3
/** These share the value and cost nothing, whatever the size. */
const VIEWS = new Set(['Reshape', 'Identity', 'ExpandDims'])

type Call = Parameters<KernelFunc>[0]
const NATIVE_DTYPES = new Set(['float32', 'int32', 'bool'])

function tensorsOf(inputs: Call['inputs']): TensorInfo[] {
  return Object.values(inputs as Record<string, TensorInfo | undefined>).filter(
    (tensor): tensor is TensorInfo => tensor?.dataId !== undefined,
  )
}

function operandsOf(engine: OrtEngine, inputs: Call['inputs']): RuleInputs {
  const { backend } = engine
  if (Array.isArray(inputs)) return Object.fromEntries(inputs.map((tensor, at) => [at, backend.operandOf(tensor)]))
  const named: Record<string, Operand> = {}
  for (const [name, tensor] of Object.entries(inputs as Record<string, TensorInfo | undefined>))
    if (tensor?.dataId !== undefined) named[name] = backend.operandOf(tensor)
  return named
}

/** Whether the kernel is cheaper in JavaScript: all its inputs are there and small. */
function isSmall(engine: OrtEngine, tensors: readonly TensorInfo[]): boolean {
  if (tensors.length === 0 || engine.observing()) return false
  const { smallElements } = engine.settings()
  return tensors.every(({ dataId, shape }) => sizeOf(shape) <= smallElements && engine.backend.valueFor(dataId).node === null)
}

/** Strings, complex numbers and tensors without elements stay with tfjs-cpu. */
function isCovered(tensors: readonly TensorInfo[]): boolean {
  return tensors.every(({ dtype, shape }) => NATIVE_DTYPES.has(dtype) && sizeOf(shape) > 0)
}

function record(engine: OrtEngine, rule: Rule, call: Call): TensorInfo | TensorInfo[] | null {
  const result = rule(engine.trace, operandsOf(engine, call.inputs), call.attrs ?? {})
  if (result === null) return null
  const tensors = Array.isArray(result) ? result.map(operand => engine.backend.own(operand)) : engine.backend.own(result as Operand)
  engine.relieve()
  return tensors
}

function runOnCpu(engine: OrtEngine, config: KernelConfig, tensors: readonly TensorInfo[], call: Call) {
  for (const { dataId } of tensors) engine.backend.materialise(engine.backend.valueFor(dataId))
  engine.countFallback(config.kernelName)
  return config.kernelFunc(call)
}

function dispatch(engine: OrtEngine, config: KernelConfig, rule: Rule | undefined): KernelFunc {
  return call => {
    const tensors = tensorsOf(call.inputs)
    const view = VIEWS.has(config.kernelName)
    if (!view && isSmall(engine, tensors)) return config.kernelFunc(call)
    if (rule !== undefined && (view || isCovered(tensors))) {
      const recorded = record(engine, rule, call)
      if (recorded !== null) return recorded
    }
    return runOnCpu(engine, config, tensors, call)
  }
}

/** Makes the backend known to tfjs: every kernel of tfjs-cpu, those of the table recorded. */
export function register(engine: OrtEngine): void {
  registerBackend(BACKEND_NAME, () => engine.backend, PRIORITY)
  const table = kernelTable()
  for (const config of getKernelsForBackend('cpu'))
    registerKernel({ ...config, backendName: BACKEND_NAME, kernelFunc: dispatch(engine, config, table[config.kernelName]) })
  registerAdam(engine, BACKEND_NAME)
  registerMatMulNBits(engine, BACKEND_NAME)
  registerWriteRows(engine, BACKEND_NAME)
}
