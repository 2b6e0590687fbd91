import { nodeFileSystem, type FileSystem } from '@tersor/formats/internal/files/file-system'
import { configOf } from './text.js'

/** What follows "model" in the name of a file, by the dtype that transformers.js asks for it by. */
const ENDS: Readonly<Record<string, string>> = { fp32: '', q8: '_quantized', int8: '_int8', uint8: '_uint8' }

/** Which of several graphs transformers.js takes where nobody says: the one that config.json names, else the first; names end in .onnx. */
export const usualGraph = async (
  folder: string,
  names: readonly string[],
  fs: FileSystem = nodeFileSystem(),
): Promise<string | undefined> => {
  const [first, ...others] = [...names].sort()
  if (others.length === 0) return first
  const config = (await configOf(folder, fs)) as { readonly 'transformers.js_config'?: { readonly dtype?: unknown } }
  const dtype = config['transformers.js_config']?.dtype
  const usual = typeof dtype === 'string' ? `model${ENDS[dtype] ?? `_${dtype}`}.onnx` : undefined
  return usual !== undefined && names.includes(usual) ? usual : first
}
