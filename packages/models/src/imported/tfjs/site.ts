import * as tf from '@tensorflow/tfjs-core'
import type { Env, Site } from '@tersor/core'

/** How a convolution pads: as much as keeps the size (by strides), not at all, or by given rows and columns. */
export type Padding = 'same' | 'valid' | readonly [top: number, bottom: number, left: number, right: number]

/** A site of a tfjs network and what its convolution does before it multiplies. */
export interface TfjsSite {
  readonly site: Site
  readonly padding: Padding
}

interface Kind {
  readonly weight: string
  readonly bias: string | undefined
  readonly shape: readonly number[]
}

/** x · W with W (in, out), or (out, in) where it is transposed. */
export const linearTfjsSite = (name: string, { weight, bias }: Kind, transposed = false): TfjsSite => ({
  site: Object.freeze<Site>({
    ...{ name, weight, kind: 'linear', outAxis: transposed ? 0 : 1, inAxis: transposed ? 1 : 0 },
    ...(bias === undefined ? {} : { bias }),
  }),
  padding: 'valid',
})

/** A kernel (height, width, in, out), or depthwise (height, width, channels, 1). */
export const convolutionTfjsSite = (
  name: string,
  { weight, bias, shape }: Kind,
  how: { readonly strides: readonly [number, number]; readonly padding: Padding; readonly depthwise: boolean },
): TfjsSite => ({
  site: Object.freeze<Site>({
    ...{ name, weight, kind: 'conv2d', outAxis: how.depthwise ? 2 : 3, inAxis: 2 },
    ...(bias === undefined ? {} : { bias }),
    convolution: {
      kernel: [shape[0], shape[1]],
      strides: how.strides,
      padding: [0, 0, 0, 0], // what the tap sees is padded already: how much hangs on the size of the image
      ...(how.depthwise ? { depthwise: true } : {}),
    },
  }),
  padding: how.padding,
})

/** Zeros before and behind, so that ceil(size / stride) windows fit. */
const samePadding = (size: number, kernel: number, stride: number): [number, number] => {
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size)
  return [Math.floor(total / 2), total - Math.floor(total / 2)]
}

const padded = (x: tf.Tensor, { site, padding }: TfjsSite): tf.Tensor => {
  if (!site.convolution || padding === 'valid') return x
  const { kernel, strides } = site.convolution
  const [rows, columns]: [number, number][] =
    padding === 'same'
      ? [samePadding(x.shape[1]!, kernel[0], strides[0]), samePadding(x.shape[2]!, kernel[1], strides[1])]
      : [
          [padding[0], padding[1]],
          [padding[2], padding[3]],
        ]
  return tf.pad(x as tf.Tensor4D, [[0, 0], rows, columns, [0, 0]])
}

/** What a site multiplies: rounded by `env.activation`, and shown to `env.tap` with the zeros around it. */
export const tfjsSiteInput = (each: TfjsSite, input: tf.Tensor, env: Env): tf.Tensor => {
  const x = env.activation?.(each.site, input) ?? input
  if (env.tap) env.tap(each.site, padded(x, each))
  return x
}
