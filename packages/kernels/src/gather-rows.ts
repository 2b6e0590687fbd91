import type { backend_util } from '@tensorflow/tfjs-core'
import type { Values } from './plain-engine/plain-kernel.js'

/** x: (batches, outer, extent, slice), indices: (batches, chosen) → (batches, outer, chosen, slice); throws a RangeError for an index that is none. */
export const gatherRows = (x: Values, indices: Values, target: Values, info: backend_util.segment_util.GatherOpShapeInfo): void => {
  const { batchSize, outerSize, dimSize, sliceSize } = info
  const chosen = indices.length / Math.max(1, batchSize)
  for (let batch = 0, at = 0; batch < batchSize; batch++)
    for (let outer = 0; outer < outerSize; outer++)
      for (let i = 0; i < chosen; i++, at += sliceSize) {
        const place = indices[batch * chosen + i]
        if (!(place >= 0 && place < dimSize)) throw new RangeError(`GatherV2: the index ${place} is not in 0 to ${dimSize - 1}.`)
        const start = ((batch * outerSize + outer) * dimSize + place) * sliceSize
        for (let j = 0; j < sliceSize; j++) target[at + j] = x[start + j]
      }
}
