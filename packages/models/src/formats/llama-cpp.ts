import type { Runtime } from './runtime.js'

/** A GGUF file in unmodified llama.cpp, on the CPU. */
export interface LlamaCpp {
  /** Ids of a text, special tokens not parsed. */
  tokenize(text: string): readonly number[]
  detokenize(ids: readonly number[]): string
  /** For each position, the natural logarithms of the probabilities of all tokens there. */
  logProbabilities(ids: readonly number[]): Promise<readonly Float64Array[]>
  close(): Promise<void>
}

export interface LlamaCppOptions {
  readonly contextSize: number
  /** How long the rows of probabilities are. */
  readonly vocabularySize: number
  readonly threads?: number
}

/** Loads a GGUF file; `library` is node-llama-cpp. */
export const openInLlamaCpp = async (
  { getLlama, LlamaLogLevel }: any,
  path: string,
  { contextSize, vocabularySize, threads }: LlamaCppOptions,
): Promise<LlamaCpp> => {
  const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, progressLogs: false, logLevel: LlamaLogLevel.error })
  const dispose = (): Promise<void> => llama.dispose()
  try {
    const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, useMmap: false })
    const context = await model.createContext({ contextSize, sequences: 1, ...(threads === undefined ? {} : { threads }) })
    const sequence = context.getSequence()
    return {
      tokenize: text => Array.from(model.tokenize(text) as Iterable<unknown>, Number),
      detokenize: ids => model.detokenize(ids),
      logProbabilities: async ids => {
        await sequence.clearHistory()
        const steps = await sequence.controlledEvaluate(ids.map(id => [id, { generateNext: { probabilities: true } }]))
        return steps.map((step: any) => {
          const row = new Float64Array(vocabularySize).fill(-Infinity)
          for (const [id, probability] of step.next.probabilities) row[Number(id)] = Math.log(probability)
          return row
        })
      },
      close: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** general.file_type of files whose matrices are plain: F32, F16 and BF16. */
const PLAIN_FILES: readonly unknown[] = [0, 1, 32]
/** llama.cpp keeps keys and values as halves, which is some 10⁻⁵ nats. */
const PLAIN_BOUND = 1e-3
/** Beside matrices of codes it rounds activations to eight bits, and routers may choose another expert for that. */
const CODED_BOUND = 0.05

/** llama.cpp, through node-llama-cpp. */
export const llamaCpp: Runtime = {
  name: 'llama.cpp',
  bound: ({ metadata }) => (PLAIN_FILES.includes(metadata?.get('general.file_type')?.value) ? PLAIN_BOUND : CODED_BOUND),
  packageFor: async () => 'node-llama-cpp',
  tokens: library => async (path, ids, vocabularySize) => {
    const model = await openInLlamaCpp(library, path, { contextSize: ids.length + 8, vocabularySize })
    try {
      return await model.logProbabilities(ids)
    } finally {
      await model.close()
    }
  },
}
