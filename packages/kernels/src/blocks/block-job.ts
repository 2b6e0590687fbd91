import type { RowArgument, RowBuffer, RowJob } from '../pool.js'
import type { BlockFormat } from './block-format.js'
import { exponentThresholds } from './mxfp4.js'

interface Kernel {
  readonly kernel: string
  /** Whether it takes importance too; the others leave it to plain loops. */
  readonly weighs: boolean
  /** What it looks up. */
  readonly table?: () => Int32Array
}

/** Kernels by type. */
const KERNELS: Readonly<Record<string, Kernel>> = {
  q4_0: { kernel: 'quantizeQ4_0', weighs: false },
  q4_1: { kernel: 'quantizeQ4_1', weighs: false },
  q5_0: { kernel: 'quantizeQ5_0', weighs: false },
  q5_1: { kernel: 'quantizeQ5_1', weighs: false },
  q8_0: { kernel: 'quantizeQ8_0', weighs: false },
  q2_k: { kernel: 'encodeQ2_K', weighs: true },
  q3_k: { kernel: 'encodeQ3_K', weighs: true },
  q4_k: { kernel: 'encodeQ4_K', weighs: true },
  q5_k: { kernel: 'encodeQ5_K', weighs: true },
  q6_k: { kernel: 'encodeQ6_K', weighs: true },
  iq4_nl: { kernel: 'encodeIq4_NL', weighs: true },
  iq4_xs: { kernel: 'encodeIq4_XS', weighs: true },
  mxfp4: { kernel: 'quantizeMxfp4', weighs: false, table: exponentThresholds },
}

/** Values that go through at once: few enough that they stay in a core's own caches. */
const AT_ONCE = 2 ** 15

/** The job that quantizes float32 values or bf16 codes, and where its blocks come; undefined where no kernel does that. */
export const blockJob = (
  type: string,
  { block, bytes: blockBytes }: BlockFormat,
  values: Float32Array | Uint16Array,
  importance: Float32Array | undefined,
  into?: Uint8Array,
): { readonly job: RowJob; readonly bytes: Uint8Array } | undefined => {
  const row = KERNELS[type]
  const weights = type === 'q8_0' || type === 'mxfp4' ? undefined : importance // for which it changes nothing
  if (!row || (weights && !row.weighs)) return undefined
  const rows = values.length / block
  const bytes = into ?? new Uint8Array(rows * blockBytes)
  const halves = values instanceof Uint16Array
  const buffers: Record<string, RowBuffer> = {
    values: { role: 'in', array: values, each: block },
    ...(halves ? { wide: { role: 'room', bytes: 4, each: block } } : {}),
    ...(weights ? { weights: { role: 'whole', array: weights } } : {}),
    ...(row.table ? { table: { role: 'whole', array: row.table() } } : {}),
    blocks: { role: 'out', array: bytes, each: blockBytes },
  }
  const from: RowArgument = { at: halves ? 'wide' : 'values' }
  const weighing: readonly RowArgument[] = row.weighs ? [weights ? { at: 'weights' } : 0, weights?.length ?? 1, 'first'] : []
  const calls: RowJob['calls'] = [
    ...(halves ? [['widenBf16', { at: 'values' }, { lengthOf: 'values' }, from] as const] : []),
    [row.kernel, from, 'rows', { at: 'blocks' }, ...weighing, ...(row.table ? [{ at: 'table' }] : [])],
  ]
  return { job: { rows, atOnce: AT_ONCE / block, buffers, calls }, bytes }
}
