import { CompressionError } from '@tersor/tensor'

/** Small files that belong to a model. */
const BESIDE = /^(?!.*\/)(.*\.(json|jinja|model)|vocab\.txt|merges\.txt|LICENSE.*|README\.md)$/
/** Weights that we open, the first kind that is there. */
const WEIGHTS = [/^[^/]*\.safetensors$/, /^(onnx\/)?[^/]*\.onnx(_data.*|\.data)?$/, /^[^/]*\.gguf$/]

/** The files of a repository that make the model: its weights in the form that we read best, and what stands beside them. Throws UNSUPPORTED. */
export const filesOfModel = (name: string, paths: readonly string[]): readonly string[] => {
  const kinds = WEIGHTS.map(kind => paths.filter(path => kind.test(path)))
  const found = kinds.find(each => each.length > 0)
  const ggufs = kinds[2]
  if (!found || (found === ggufs && ggufs.length > 1))
    throw new CompressionError(
      'UNSUPPORTED',
      found
        ? `${name} holds ${ggufs.length} files of weights: ${ggufs.slice(0, 3).join(', ')} …`
        : `${name} holds no safetensors, GGUF or ONNX.`,
      found ? `Name one of them: hf:${name}/${ggufs[0]}` : 'Convert it to safetensors first, or choose another repository.',
      { name },
    )
  return [...found, ...paths.filter(path => BESIDE.test(path) && !found.includes(path))]
}
