import { activationsOf } from '@tersor/core/activations'
import type { Model, Site } from '@tersor/core/model'
import { followStages } from '@tersor/core/stage-view'
import { sizeOf } from '@tersor/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'

/** How often a weight as a whole meets an input: (…, in), or images (batch, height, width, in). */
const positionsOf = ({ convolution }: Site, { shape, size }: Tensor): number => {
  if (!convolution) return size / shape[shape.length - 1]
  const { kernel, strides, padding, dilations = [1, 1] } = convolution
  const [top, bottom, left, right] = padding
  const along = (axis: 0 | 1, zeros: number): number =>
    Math.floor((shape[1 + axis] + zeros - (kernel[axis] - 1) * dilations[axis] - 1) / strides[axis]) + 1
  return shape[0] * along(0, top + bottom) * along(1, left + right)
}

/**
 * Multiply-adds of weights that a network takes for an input: Σ over the sites that it meets of positions · size of the weight; a convolution
 * has a position for each pixel that it makes. Memory is one stage; the caller owns the input. Throws what the stages throw.
 */
export const multiplyAddsFor = async (model: Pick<Model, 'params' | 'stages'>, input: Tensor, signal?: AbortSignal): Promise<number> => {
  let count = 0
  const activations = activationsOf([input], Infinity)
  try {
    await followStages(model, activations, { signal }, ({ pass }) =>
      pass((site, seen) => {
        if (site.kind !== 'embedding') count += positionsOf(site, seen) * sizeOf(model.params.info(site.weight).shape)
      }),
    )
  } finally {
    await activations.dispose()
  }
  return count
}
