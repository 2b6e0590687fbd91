import * as library from 'node-llama-cpp'
import { openInLlamaCpp, type LlamaCpp } from '../packages/models/src/formats/llama-cpp.js'

/** Loads a GGUF file in unmodified llama.cpp, on one thread of the CPU; `vocabularySize` says how long the rows of probabilities are. */
export const loadInLlamaCpp = (path: string, contextSize: number, vocabularySize: number): Promise<LlamaCpp> =>
  openInLlamaCpp(library, path, { contextSize, vocabularySize, threads: 1 })
