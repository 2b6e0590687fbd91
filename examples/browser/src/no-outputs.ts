import { CompressionError } from '@tersor/tensor'

/** Stands for outputs.ts where the page is packed without ONNX Runtime Web; it offers nothing that would ask for it. */
export const compareOutputs = async (): Promise<never> => {
  throw new CompressionError('UNSUPPORTED', 'This copy of the page runs no graphs.', 'Use the page of examples/browser.')
}
