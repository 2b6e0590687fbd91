import { CompressionError } from '@tersor/tensor'
import type { Format } from './format.js'

const PACKAGE = '@tersor/onnx'

/** Stands for the format where its package is not installed. */
const missing = (cause: unknown): Format => ({
  name: 'onnx',
  ends: ['.onnx'],
  open: async path => {
    const remedy = `npm install ${PACKAGE}`
    throw new CompressionError('UNSUPPORTED', `${path} is an ONNX graph, which takes ${PACKAGE}.`, remedy, { package: PACKAGE }, cause)
  },
})

const isMissing = (cause: unknown): boolean =>
  ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes((cause as { code?: string })?.code ?? '')

/** The format of @tersor/onnx, which stands on this package: imported by name, where it is installed. */
export const onnxFormat = async (load: () => Promise<unknown> = loadPackage): Promise<Format> => {
  try {
    return ((await load()) as { readonly onnxFormat: Format }).onnxFormat
  } catch (cause) {
    if (!isMissing(cause)) throw cause
    return missing(cause)
  }
}

const loadPackage = (): Promise<unknown> => import(/* @vite-ignore */ /* webpackIgnore: true */ `${PACKAGE}/format`)
