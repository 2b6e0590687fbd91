import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { describePass } from '@tersor/testing'
import { minitron } from './minitron.js'
import { cutBy, suite } from './small-llama.fixture.js'

beforeAll(() => tf.setBackend('ort'))
describePass(() => minitron({ neurons: 0.5, heads: 0.5, stream: 0.75, depth: 0.5 }), suite)

it('cuts widths, heads, the stream and depth, each by its share', async () => {
  const { config } = await cutBy(minitron({ neurons: 0.5, heads: 0.5, stream: 0.75, depth: 0.5 }))
  expect(config).toMatchObject({ intermediate_size: 12, num_attention_heads: 2, num_key_value_heads: 1, hidden_size: 12, num_hidden_layers: 1 }) // prettier-ignore
})

it.each([
  [() => minitron({ neurons: 1 }), 'does nothing'],
  [() => minitron({ depth: 1.5 }), 'depth'],
])('options are checked: %#', (make, word) => {
  expect(make).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(word) }))
})
