import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { compress } from '@tersor/core'
import { describePass } from '@tersor/testing'
import { leastInfluential } from './block-influence.js'
import { shortGpt } from './short-gpt.js'
import { calibration, cutBy, model, suite } from './small-llama.fixture.js'

beforeAll(() => tf.setBackend('ort'))
describePass(() => shortGpt({ keep: 0.5 }), suite)

it('leaves out the blocks with the least influence, never all', () => {
  const influence = new Map([['a', 0.3], ['b', 0.1], ['c', 0.2], ['d', 0.4]]) // prettier-ignore
  expect([...leastInfluential(influence, 0.75)]).toEqual(['b'])
  expect([...leastInfluential(influence, 0.5)]).toEqual(['b', 'c'])
  expect([...leastInfluential(influence, 0)]).toEqual(['b', 'c', 'a'])
})

it('leaves a network of fewer blocks', async () => {
  expect((await cutBy(shortGpt({ keep: 0.75 }), 4)).config).toMatchObject({ num_hidden_layers: 3 })
})

it('refuses a share of one, and networks without blocks', async () => {
  expect(() => shortGpt({ keep: 1 })).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining('keep') }))
  const { blocks: _blocks, ...flat } = model()
  await expect(compress(flat, shortGpt({ keep: 0.5 }), { calibration: calibration() })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
})
