import { CompressionError, notFound, type ParameterStore, type Shape } from '@tersor/tensor'

/** Holds a store against what a config makes of it; throws NOT_FOUND for a missing parameter and SHAPE for one of another shape. */
export const checkParameters = (expected: readonly { readonly name: string; readonly shape: Shape }[], params: ParameterStore): void => {
  const names = new Set(params.names())
  for (const { name, shape } of expected) {
    if (!names.has(name)) throw notFound(name, params.names())
    const got = params.info(name).shape
    if (got.length === shape.length && got.every((extent, axis) => extent === shape[axis])) continue
    throw new CompressionError(
      'SHAPE',
      `"${name}" is [${got.join(', ')}], but the config makes it [${shape.join(', ')}].`,
      'Take the config that was saved with these weights.',
      { name, got, expected: shape },
    )
  }
}
