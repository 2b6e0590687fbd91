import type { Format } from '../formats/format.js'

/** Every format by its name, loaded when it is asked for: a new one is a line here. A folder that none of them knows is taken for the first. */
export const FORMATS = {
  huggingface: async () => (await import('../formats/huggingface.js')).huggingFaceFormat,
  gguf: async () => (await import('../formats/gguf.js')).ggufFormat,
  gptq: async () => (await import('../formats/gptq.js')).gptqFormat,
  awq: async () => (await import('../formats/awq.js')).awqFormat,
  'compressed-tensors': async () => (await import('../formats/compressed-tensors.js')).compressedTensorsFormat,
  onnx: async () => (await import('../formats/onnx.js')).onnxFormat(),
  tfjs: async () => (await import('../formats/tfjs.js')).tfjsFormat,
} satisfies Readonly<Record<string, () => Promise<Format>>>

export type FormatName = keyof typeof FORMATS

/** All of them; what they load in turn comes later. */
export const loadFormats = (): Promise<readonly Format[]> => Promise.all(Object.values(FORMATS).map(load => load()))
