import { camel } from '../names.js'
import type { Kind } from './kind.js'

/** A way to store numbers, with the method that stores weights so. */
export const codec: Kind = {
  about: 'a way to store numbers that no tree of the codecs can say, and a method that stores weights so',
  packages: ['@tersor/core', '@tersor/tensor'],
  testPackages: [],
  source: name => `import * as tf from '@tensorflow/tfjs-core'
import { defineMethod } from '@tersor/core'
import { encoded, fromFloat32, fromIntegers, type Codec, type Encoded } from '@tersor/tensor'

/**
 * Bytes with one scale a row, until it stores in a way of its own: value = scale · (code − 128).
 * Parts: codes u8 (rows, columns), scale f32 (rows, 1). Pass it to what reads files that hold it.
 */
export const ${camel(name)}Codec: Codec = {
  name: '${name}',
  check: ({ codes, scale }, _attrs, shape) => {
    if (codes?.kind !== 'dense' || codes.dtype !== 'u8') return 'the codes are no bytes'
    if (scale?.kind !== 'dense' || scale.dtype !== 'f32') return 'the scale is no f32'
    if (\`\${codes.shape}\` !== \`\${shape}\`) return \`the codes are [\${codes.shape}], expected [\${shape}]\`
    return \`\${scale.shape}\` === \`\${[shape[0], 1]}\` ? undefined : \`the scale is [\${scale.shape}], expected [\${shape[0]}, 1]\`
  },
  decode: ({ codes, scale }) => tf.tidy(() => tf.mul(tf.sub(codes, 128), scale)),
}

/** Stores a matrix of rows; every row's largest magnitude becomes the code 1 or 255. */
export const ${camel(name)}Of = (rows: readonly (readonly number[])[]): Encoded => {
  const shape = [rows.length, rows[0].length]
  const scales = rows.map(row => row.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127 || 1)
  const codes = Uint8Array.from(rows.flatMap((row, i) => row.map(value => Math.round(value / scales[i]) + 128)))
  return encoded(${camel(name)}Codec, shape, {
    codes: fromIntegers(codes, 'u8', shape),
    scale: fromFloat32(scales, 'f32', [rows.length, 1]),
  })
}

/**
 * Stores each weight by its codec. ŵ = s · round(w / s), s = max|w| / 127 of the row, W: (out, in). Throws BAD_OPTION.
 */
export const ${camel(name)} = defineMethod({
  name: '${name}',
  summary: 'stores weights as bytes with one scale a row',
  options: {},
  rewrites: 'whole',
  apply: async weight => ${camel(name)}Of(await weight.array()),
})
`,
  test: name => `import '@tensorflow/tfjs-backend-cpu'
import { describeCodec, describeMethod } from '@tersor/testing'
import { byteLength } from '@tersor/tensor'
import { ${camel(name)}, ${camel(name)}Codec, ${camel(name)}Of } from './${name}.js'

const rows = [
  [127, -64, 0],
  [254, 2, -4],
]

describeCodec(${camel(name)}Codec.name, () => ({ tree: ${camel(name)}Of(rows), values: rows.flat() }))
describeMethod(() => ${camel(name)}())

it('takes a byte a weight and four a row', () => {
  expect(byteLength(${camel(name)}Of(rows))).toBe(2 * 3 + 2 * 4)
})
`,
}
