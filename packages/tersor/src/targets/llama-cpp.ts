import type { Target } from './target.js'

/** llama.cpp's own mixtures, and halves. */
const TYPES: Readonly<Record<number, string>> = { 2: 'Q2_K', 3: 'Q3_K_M', 4: 'Q4_K_M', 5: 'Q5_K_M', 6: 'Q6_K', 8: 'Q8_0', 16: 'f16' }

/** llama.cpp, and what runs it: Ollama, LM Studio, node-llama-cpp. The writer rounds, embeddings and head too, weighed where there is text. */
export const llamaCpp: Target = {
  name: 'llama.cpp',
  formats: ['gguf'],
  bits: Object.keys(TYPES).map(Number),
  usualBits: () => 4,
  plan: ({ bits, calibrated }) => ({ steps: [], options: { type: TYPES[bits] }, ...(calibrated && bits < 8 ? { weighs: true } : {}) }),
}
