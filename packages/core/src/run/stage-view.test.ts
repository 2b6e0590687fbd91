import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { fromFloat32, memoryStore, type Parameter } from '@tersor/tensor'
import type { Stage } from '../model/model.js'
import { activationsOf } from './activations.js'
import { followStages, type StageView } from './stage-view.js'

const number = (value: number): Parameter => fromFloat32([value], 'f32', [1])
/** x · weight. */
const times = (weight: string): Stage => ({
  ...{ name: weight, parameters: [weight], sites: [] },
  run: (x, { weights }) => tf.mul(x, weights(weight)),
})
const stages = [times('a'), times('b')]

let tensors = 0
beforeAll(() => tf.setBackend('cpu'))
beforeEach(() => void (tensors = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(tensors))

/** Follows 2 and 3 through · 5 and · 7, in two batches; gives what the last stage is shown. */
const follow = async (visit: (view: StageView) => Promise<Stage | void>): Promise<readonly string[]> => {
  const read: string[] = []
  const stored = memoryStore({ a: number(5), b: number(7) })
  const params = { read: (name: string) => (read.push(name), stored.read(name)) }
  const batches = [tf.tensor1d([2]), tf.tensor1d([3])]
  const inputs = activationsOf(batches, Infinity)
  try {
    await followStages({ stages, params }, inputs, {}, visit)
  } finally {
    await inputs.dispose()
    tf.dispose(batches)
  }
  return read
}

const inputsOf = async ({ inputs }: StageView): Promise<number[]> => {
  const all: number[] = []
  for (let batch = 0; batch < inputs!.count; batch++) all.push((await inputs!.use(batch, x => x.data()))[0])
  return all
}

it('makes the outputs of a stage the inputs of the next, reading each parameter once', async () => {
  const seen: number[][] = []
  const read = await follow(async view => {
    seen.push(await inputsOf(view))
    const outputs = await view.outputs()
    seen.push([(await outputs.use(1, x => x.data()))[0]])
    await outputs.dispose()
    await view.read(view.stage.name)
  })
  expect(seen).toEqual([[2, 3], [15], [10, 15], [105]])
  expect(read).toEqual(['a', 'b'])
})

it('goes on by what was put in the place of a parameter, also where the stage had run before', async () => {
  const seen: number[][] = []
  await follow(async view => {
    seen.push(await inputsOf(view))
    if (view.index === 1) return
    await view.gather(() => {})
    expect((await view.loaded('a')!.data())[0]).toBe(5)
    view.put('a', async () => number(100))
    expect(view.loaded('a')).toBeUndefined()
    expect(await view.read('a')).toEqual(number(100))
  })
  expect(seen).toEqual([[2, 3], [200, 300]]) // prettier-ignore
})

it('goes on through the stage that a visit gives back', async () => {
  const seen: number[][] = []
  await follow(async view => {
    seen.push(await inputsOf(view))
    return { ...view.stage, run: x => tf.add(x, 1) }
  })
  expect(seen).toEqual([[2, 3], [3, 4]]) // prettier-ignore
})

it('shows and passes on in one run, and hands over outputs that the body owns', async () => {
  const seen: number[] = []
  const counts: number[] = []
  await follow(async view => {
    if (view.index === 0) return view.pass(() => {}, async batch => void counts.push(batch)) // prettier-ignore
    return view.eachOutput(
      async output => {
        seen.push((await output.data())[0])
        output.dispose()
      },
      output => tf.neg(output),
    )
  })
  expect(counts).toEqual([0, 1])
  expect(seen).toEqual([-70, -105])
})

it('frees everything where a visit fails or a stage asks for what its list lacks', async () => {
  const failing = follow(async view => {
    await view.gather(() => {})
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  const asking: Stage = { ...times('b'), parameters: [] }
  const batch = tf.tensor1d([1])
  const wrong = followStages({ stages: [asking, asking], params: memoryStore({}) }, activationsOf([batch], 0), {}, async () => {})
  await expect(wrong).rejects.toThrow('The stage asked for "b", which its list of parameters lacks.')
  batch.dispose()
})
