import type { Target } from './target.js'

/** Runtimes that `--for` names, each loaded when it is asked for. */
export const TARGETS = {
  'transformers.js': async () => (await import('./transformers-js.js')).transformersJs,
  'llama.cpp': async () => (await import('./llama-cpp.js')).llamaCpp,
  vllm: async () => (await import('./vllm.js')).vllm,
  tfjs: async () => (await import('./tfjs.js')).tfjs,
  onnxruntime: async () => (await import('./onnxruntime.js')).onnxruntime,
} as const satisfies Readonly<Record<string, () => Promise<Target>>>

export type TargetName = keyof typeof TARGETS
export const TARGET_NAMES = Object.keys(TARGETS) as readonly TargetName[]
