import '@tensorflow/tfjs-backend-cpu'
import { describePolicy } from '@tersor/testing'
import { streamingLlm } from './streaming-llm.js'
import { keptBy } from './view.fixture.js'

describePolicy(() => streamingLlm({ sinks: 2, window: 10, slack: 4 }), { ample: () => streamingLlm({ window: 60 }), most: 16 })
describePolicy(() => streamingLlm({ sinks: 2, window: 10, slack: 1, positions: 'compact' }), {
  ample: () => streamingLlm({ window: 60, positions: 'compact' }),
  most: 12,
})

it('keeps sinks and window', async () => {
  expect(await keptBy(streamingLlm({ sinks: 2, window: 3 }), { entries: 8 })).toEqual([[0, 1, 5, 6, 7]])
})

it('is asked when more is held than sinks, window and slack', () => {
  expect(streamingLlm({ sinks: 2, window: 3, slack: 5 }).when).toEqual({ over: 5, slack: 5 })
})

it('checks its options when it is made', () => {
  expect(() => streamingLlm({ window: 0 })).toThrow(
    'streaming-llm policy got window = 0.\nPass an integer of at least 1: newest entries that stay.',
  )
})
