import type { EngineName } from '@tersor/kernels'

/** Free arrays that ONNX Runtime's backend keeps: weights of one stage come back, those of all would pile up. */
const POOL_BYTES = 16 * 2 ** 20
/** Compiled graphs kept: each holds the memory that it ran in, hundreds of megabytes for a block of a language model. */
const SESSIONS = 8

/** What of an engine decides the bytes of a result: its version and its threads. Caps the memory that it keeps for reuse. */
export const engineFacts = async (engine: EngineName): Promise<Readonly<Record<string, string>>> => {
  if (engine !== 'ort') return {}
  const { configure, ORT_VERSION } = await import('@tersor/backend-ort')
  return {
    threads: String(configure({ poolBytes: POOL_BYTES, sessions: SESSIONS, arena: false }).threads),
    runtime: `ONNX Runtime ${ORT_VERSION}`,
  }
}
