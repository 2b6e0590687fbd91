import * as tf from '@tensorflow/tfjs-core'
import { packCodes } from '@tersor/kernels/pack-codes'
import type { TiledMatrices } from '@tersor/kernels/tile-products'
import { dense, encoded, fromFloat32, toFloat32, type Codec, type Dense, type DType, type Encoded, type Shape } from '@tersor/tensor'
import { roundScale, scaleDTypeOf, type ScaleDType } from './affine.js'
import { codesAre, firstOf, floatsAre, partsAre, shapeIs, wholeIs } from './checks.js'

/** Lines and columns that share a scale, and how their range becomes codes. */
export interface TileGrid {
  /** 1-8. */
  readonly bits: number
  readonly height: number
  /** Columns; the whole line where it does not divide it. */
  readonly width: number
  /** Whether the middle code stands for zero; else codes count from the minimum of their tile. */
  readonly symmetric: boolean
}

/** Tiles of each matrix, down and across. */
const tilesOf = ([matrices, lines, columns]: Shape, height: number, width: number): Shape => [
  matrices,
  Math.ceil(lines / height),
  Math.ceil(columns / width),
]

/** x as (matrices, tiles down, height, tiles across, width), the last lines repeated where tiles reach beyond them. */
const inTiles = (x: tf.Tensor, shape: Shape, height: number, width: number): tf.Tensor => {
  const [matrices, down, across] = tilesOf(shape, height, width)
  const lines = shape[1]
  const missing = down * height - lines
  const places = (): tf.Tensor1D =>
    tf.tensor1d(
      Int32Array.from({ length: down * height }, (_, line) => Math.min(line, lines - 1)),
      'int32',
    )
  const whole = missing === 0 ? x : tf.gather(x, places(), 1)
  return tf.reshape(whole, [matrices, down, height, across, width])
}

/** Back from tiles. */
const outOfTiles = (tiles: tf.Tensor, shape: Shape): tf.Tensor => {
  const [matrices, lines, columns] = shape
  const whole = tf.reshape(tiles, [matrices, -1, columns])
  return whole.shape[1] === lines ? whole : tf.slice(whole, [0, 0, 0], [-1, lines, -1])
}

/** What each tile has, as its codes are met by it. */
const forTiles = (perTile: tf.Tensor): tf.Tensor => tf.reshape(perTile, [perTile.shape[0], perTile.shape[1]!, 1, perTile.shape[2]!, 1])

/**
 * Matrices of codes with a scale for each tile of lines and columns: value = scale · code + minimum, or scale · (code − 2^(bits−1)).
 * Parts: data u1-u8 (matrices, lines, columns), scale and minimum f16 or f32 (matrices, ⌈lines / height⌉, columns / width), minimum may be absent.
 * Attrs: bits, height, width; tiles at the end of the lines may be lower. Made by `tiledFrom`.
 */
export const tiled: Codec = Object.freeze<Codec>({
  name: 'tiled',
  check: (parts, { height, width, bits }, shape) =>
    firstOf(
      () => partsAre(parts, ['data', 'scale'], ['minimum']),
      () => (shape.length === 3 ? undefined : `the whole has ${shape.length} axes, expected 3`),
      () => wholeIs('height', height, 1, Infinity) ?? wholeIs('width', width, 1, shape[2]) ?? wholeIs('bits', bits, 1, 8),
      () => (shape[2] % (width as number) === 0 ? undefined : `tiles of ${width as number} columns do not divide ${shape[2]}`),
      () => codesAre('data', parts.data, [bits as number]) ?? shapeIs('data', parts.data, shape),
      () => floatsAre('scale', parts.scale) ?? shapeIs('scale', parts.scale, tilesOf(shape, height as number, width as number)),
      () => floatsAre('minimum', parts.minimum) ?? shapeIs('minimum', parts.minimum, parts.scale.shape),
    ),
  decode: ({ data, scale, minimum }: Readonly<Record<string, tf.Tensor>>, { height, width, bits }, shape) =>
    tf.tidy(() => {
      const codes = inTiles(tf.cast(data, 'float32'), shape, height as number, width as number)
      const offset = minimum ?? tf.mul(scale, -(2 ** ((bits as number) - 1)))
      return outOfTiles(tf.add(tf.mul(codes, forTiles(scale)), forTiles(offset)), shape)
    }),
})

/** Scales of ranges, rounded to what they are stored in, and where codes begin. */
const linesThrough = (low: Float32Array, high: Float32Array, { bits, symmetric }: TileGrid) => {
  const exact = Float64Array.from(low, (least, i) =>
    symmetric ? Math.max(-least, high[i]) / (2 ** (bits - 1) - 1) || 1 : (high[i] - least) / (2 ** bits - 1) || 1,
  )
  const fits = symmetric || low.every(least => Math.abs(least) <= 65504)
  const dtype: ScaleDType = fits ? scaleDTypeOf(exact) : 'f32'
  const scales = Float32Array.from(exact, scale => roundScale(scale, dtype))
  const minimums = symmetric ? scales.map(scale => -(2 ** (bits - 1)) * scale) : toFloat32(fromFloat32(low, dtype, [low.length]))
  return { dtype, scales, minimums }
}

const numbersOf = async (x: tf.Tensor): Promise<Float32Array> => {
  try {
    return Float32Array.from(await x.data<'float32'>())
  } finally {
    x.dispose()
  }
}

/** Rounds matrices (matrices, lines, columns) to codes, each tile from its least to its largest value; ties to even. */
export const tiledFrom = async (x: tf.Tensor, grid: TileGrid): Promise<Encoded> => {
  const { shape } = x
  const [matrices, lines, columns] = shape as [number, number, number]
  const height = Math.min(grid.height, lines)
  const width = columns % grid.width === 0 ? grid.width : columns
  const [low, high] = tf.tidy(() => {
    const tiles = inTiles(x, shape, height, width)
    return [tf.min(tiles, [2, 4]), tf.max(tiles, [2, 4])] // (matrices, down, across)
  })
  const { dtype, scales, minimums } = linesThrough(await numbersOf(low), await numbersOf(high), grid)
  const across = tilesOf(shape, height, width)
  const codes = tf.tidy(() => {
    const [scale, minimum] = [scales, minimums].map(each => forTiles(tf.tensor(each, [...across])))
    const steps = tf.round(tf.div(tf.sub(inTiles(x, shape, height, width), minimum), scale))
    return outOfTiles(tf.cast(tf.clipByValue(steps, 0, 2 ** grid.bits - 1), 'int32'), shape)
  })
  try {
    const bytes = await packCodes(new Uint8Array(await codes.data<'int32'>()), grid.bits)
    const parts = {
      data: dense(`u${grid.bits}` as DType, [matrices, lines, columns], bytes),
      scale: fromFloat32(scales, dtype, across),
      ...(grid.symmetric ? {} : { minimum: fromFloat32(minimums, dtype, across) }),
    }
    return encoded(tiled, shape, parts, { height, width, bits: grid.bits })
  } finally {
    codes.dispose()
  }
}

/** The tree as products with its codes take it. */
export const tiledMatrices = ({ parts, attrs, shape }: Encoded): TiledMatrices => {
  const { data, scale, minimum } = parts as Readonly<Record<string, Dense>>
  return {
    ...{ matrices: shape[0], lines: shape[1], columns: shape[2], bits: attrs.bits as number },
    ...{ height: attrs.height as number, width: attrs.width as number, codes: data.bytes, scales: scale.bytes },
    ...(minimum && { minimums: minimum.bytes }),
    isHalf: scale.dtype === 'f16',
  }
}
