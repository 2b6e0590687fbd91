import * as tf from '@tensorflow/tfjs-core'
import { folderOf, within } from '@tersor/formats/internal/files/file-system'
import { fileSystem } from './format.js'
import type { GraphInput, Runtime } from './runtime.js'

interface Group {
  readonly paths: readonly string[]
  readonly weights: readonly tf.io.WeightsManifestEntry[]
}

const read = async (path: string): Promise<{ readonly format?: string; readonly weightsManifest: readonly Group[] }> =>
  JSON.parse(await fileSystem().readFile(path, 'utf8'))

/** What tfjs asks for when it loads a model: the files as they are. */
const handlerOf = (path: string): tf.io.IOHandler => ({
  load: async () => {
    const { weightsManifest, ...rest } = await read(path)
    const files = await Promise.all(
      weightsManifest.flatMap(({ paths }) => paths).map(file => fileSystem().readFile(within(folderOf(path), file))),
    )
    const weightSpecs = weightsManifest.flatMap(({ weights }) => weights)
    return { ...rest, weightSpecs, weightData: Uint8Array.from(Buffer.concat(files)).buffer } as tf.io.ModelArtifacts
  },
})

/** The backend that tfjs brings, so that nothing of ours takes part. */
const PLAIN = 'cpu'

const onPlainBackend = async <T>(work: () => Promise<T>): Promise<T> => {
  const ours = tf.getBackend()
  if (!(await tf.setBackend(PLAIN))) throw new Error(`tfjs has no backend "${PLAIN}"`)
  try {
    return await work()
  } finally {
    await tf.setBackend(ours)
  }
}

const tensorOf = ({ value, shape, data }: GraphInput): tf.Tensor =>
  tf.tensor(Float32Array.from(data), [...shape], value.dtype === 'int32' ? 'int32' : 'float32')

/** Unmodified tfjs: loadGraphModel or loadLayersModel, on its own CPU backend. */
export const tfjs: Runtime = {
  name: 'TensorFlow.js',
  packageFor: async path => ((await read(path)).format === 'graph-model' ? '@tensorflow/tfjs-converter' : '@tensorflow/tfjs-layers'),
  graph: library => (path, inputs) =>
    onPlainBackend(async () => {
      const model = await (library.loadGraphModel ?? library.loadLayersModel)(handlerOf(path))
      const tensors = inputs.map(tensorOf)
      try {
        const named = Object.fromEntries(inputs.map(({ value }, i) => [value.name, tensors[i]]))
        const result: tf.Tensor | tf.Tensor[] = model.predict(library.loadGraphModel ? named : tensors.length === 1 ? tensors[0] : tensors)
        const all = Array.isArray(result) ? result : [result]
        const values = await Promise.all(all.map(each => each.data()))
        tf.dispose(all)
        return values
      } finally {
        tf.dispose(tensors)
        model.dispose()
      }
    }),
}
