import { getLlama, LlamaLogLevel } from 'node-llama-cpp'

/** A model in unmodified llama.cpp, on one thread of the CPU. */
export interface Runner {
  /** Ids of a text, special tokens not parsed. */
  tokenize(text: string): readonly number[]
  detokenize(ids: readonly number[]): string
  /** For each position, the natural logarithms of the probabilities of all tokens there. */
  logProbabilities(ids: readonly number[]): Promise<readonly Float64Array[]>
  close(): Promise<void>
}

/** Loads a GGUF file; `vocabularySize` says how long the rows of probabilities are. */
export const loadInLlamaCpp = async (path: string, contextSize: number, vocabularySize: number): Promise<Runner> => {
  const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, progressLogs: false, logLevel: LlamaLogLevel.error })
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, useMmap: false })
  const context = await model.createContext({ contextSize, sequences: 1, threads: 1 })
  const sequence = context.getSequence()
  return {
    tokenize: text => [...model.tokenize(text)].map(Number),
    detokenize: ids => model.detokenize(ids as never),
    logProbabilities: async ids => {
      await sequence.clearHistory()
      const steps = await sequence.controlledEvaluate(ids.map(id => [id as never, { generateNext: { probabilities: true } }]))
      return steps.map(step => {
        const row = new Float64Array(vocabularySize).fill(-Infinity)
        for (const [id, probability] of step!.next.probabilities!) row[Number(id)] = Math.log(probability)
        return row
      })
    },
    close: async () => {
      await llama.dispose()
    },
  }
}
