import * as tf from '@tensorflow/tfjs-core'
import { createRng } from '@tersor/core'

/** Which strokes of an 8 a digit has: top, upper right, lower right, bottom, lower left, upper left, middle. */
const STROKES = ['1111110', '0110000', '1101101', '1111001', '0110011', '1011011', '1011111', '1110000', '1111111', '1111011']
/** Left, top, right and bottom of these strokes in a box of 16 × 32. */
const BOXES = [
  [1, 0, 15, 4],
  [12, 0, 16, 17],
  [12, 15, 16, 32],
  [1, 28, 15, 32],
  [0, 15, 4, 32],
  [0, 0, 4, 17],
  [1, 14, 15, 18],
] as const
const PITCH = 24

/** Pictures of rows of dark digits on a light, uneven ground, as the networks take them: (count, 3, height, width), −1 … 1. */
export const pictures = (count: number, height: number, width: number): tf.Tensor => {
  const rng = createRng(5)
  const [rows, columns] = [Math.floor(height / 48), Math.floor((width - 8) / PITCH)]
  const values = new Float32Array(count * 3 * height * width)
  for (let i = 0; i < count; i++) {
    const light = new Float32Array(height * width).map((_, at) => 0.8 + 0.1 * Math.sin((at % width) / 30 + i) + 0.05 * rng.normal())
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const strokes = STROKES[rng.integer(10)]
        BOXES.forEach(([left, top, right, bottom], stroke) => {
          if (strokes[stroke] === '0') return
          for (let y = top; y < bottom; y++)
            for (let x = left; x < right; x++) light[(row * 48 + 8 + y) * width + 8 + column * PITCH + x] = -0.8 + 0.05 * rng.normal()
        })
      }
    for (let channel = 0; channel < 3; channel++) values.set(light, (i * 3 + channel) * height * width)
  }
  return tf.tensor4d(values, [count, 3, height, width])
}
