import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRng } from '@tersor/core'
import { decodeBlocks, encodeBlocks, encodeIq4NlReference, TENSOR_TYPES, type BlockTypeName } from '@tersor/formats/gguf'
import { loadGgml } from './ggml.js'
import { harshImportanceOf, HUGE, importanceOf, millionWeights } from './weights.js'

const ggml = loadGgml()
const COLUMNS = 1024
const weights = millionWeights()
const IMPORTANCE = { 'an importance matrix': importanceOf(COLUMNS), 'one without measure': harshImportanceOf(COLUMNS) }
const TYPES = Object.keys(TENSOR_TYPES).filter((name): name is BlockTypeName => 'format' in TENSOR_TYPES[name as BlockTypeName])

/** Where two lists differ first, for a message that helps; numbers by their bits. */
const firstDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  if (a.length !== b.length) return Math.min(a.length, b.length)
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return i
  return -1
}

/** Types whose search takes no weights. */
const WITHOUT_IMPORTANCE: readonly BlockTypeName[] = ['q8_0', 'mxfp4']

for (const type of TYPES) {
  test(`${type}: our bytes are ggml's on a million weights`, () => {
    const started = performance.now()
    const ours = encodeBlocks(type, weights)
    const elapsed = performance.now() - started
    const theirs = ggml.quantize(TENSOR_TYPES[type].id, weights, COLUMNS)
    const at = firstDifference(ours, theirs)
    assert.equal(at, -1, `byte ${at} is ${ours[at]}, ggml has ${theirs[at]}`)
    console.log(`  ${type}: ${(weights.length / elapsed / 1e3).toFixed(0)} million weights a second`)
  })

  for (const [words, importance] of Object.entries(IMPORTANCE))
    test(`${type}: our bytes are ggml's with ${words}`, () => {
      const ours = encodeBlocks(type, weights, { importance })
      const theirs = ggml.quantize(TENSOR_TYPES[type].id, weights, COLUMNS, importance)
      const at = firstDifference(ours, theirs)
      assert.equal(at, -1, `byte ${at} is ${ours[at]}, ggml has ${theirs[at]}`)
      assert.equal(firstDifference(ours, encodeBlocks(type, weights)) === -1, WITHOUT_IMPORTANCE.includes(type), 'whether it changes bytes')
    })

  for (const [words, values] of Object.entries(HUGE))
    test(`${type}: our bytes are ggml's, or we refuse where ggml's say less than zeros would: ${words}`, () => {
      const theirs = ggml.quantize(TENSOR_TYPES[type].id, values, COLUMNS)
      const kept = ggml.dequantize(type.replace(/_k$/, '_K'), theirs, values.length)
      const sum = (of: (i: number) => number): number => Array.from(values, (_, i) => of(i) ** 2).reduce((a, b) => a + b)
      if (sum(i => kept[i] - values[i]) < sum(i => values[i])) assert.deepEqual(encodeBlocks(type, values), theirs)
      else assert.throws(() => encodeBlocks(type, values), { code: 'NOT_FINITE', message: /have no room for numbers up to/ })
    })

  test(`${type}: decoding any bytes gives ggml's values bit for bit`, () => {
    const { bytes, block } = TENSOR_TYPES[type]
    const rng = createRng(7)
    const blocks = Uint8Array.from({ length: bytes * 20_000 }, () => rng.integer(256))
    // Scales that are no NaN or infinity: their payloads are not defined.
    for (let at = 1; at < blocks.length; at += bytes) if ((blocks[at] & 0x7c) === 0x7c) blocks[at] &= 0x83
    for (const source of [blocks, encodeBlocks(type, weights)]) {
      const ours = decodeBlocks(type, source)
      const theirs = ggml.dequantize(type.replace(/_k$/, '_K'), source, (source.length / bytes) * block)
      const at = firstDifference(ours, theirs)
      assert.equal(at, -1, `value ${at} is ${ours[at]}, ggml has ${theirs[at]}`)
    }
  })
}

test('iq4_nl: the reference function, which ggml_quantize_chunk does not call, gives our bytes for it', () => {
  // ggml leaves the codes of a first block of zeros to chance.
  const values = weights.subarray(64)
  const ours = encodeIq4NlReference(values)
  const theirs = ggml.reference('iq4_nl', TENSOR_TYPES.iq4_nl.id, values)
  const at = firstDifference(ours, theirs)
  assert.equal(at, -1, `byte ${at} is ${ours[at]}, ggml has ${theirs[at]}`)
})
