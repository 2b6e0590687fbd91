import * as tf from '@tensorflow/tfjs-core'
import { configure, flush, statistics } from '@tersor/backend-ort'
import { loadNative } from './binding.js'
import { resolveSettings } from './settings.js'
import { distance, tensor } from './compare.reference.js'

beforeAll(async () => {
  await tf.setBackend('ort')
  expect(tf.getBackend()).toBe('ort')
})

describe('values that are still pending', () => {
  it('are computed from what was written, even when the caller overwrites its array', async () => {
    const source = new Float32Array(200).fill(2)
    const doubled = tf.mul(tf.tensor1d(source), 2)
    source.fill(9)
    expect((await doubled.data())[0]).toBe(4)
  })

  it('survive the disposal of their inputs', async () => {
    const x = tf.fill([300], 3)
    const y = tf.add(x, tensor([300]))
    x.dispose()
    const z = tf.mul(y, y)
    y.dispose()
    expect((await z.data())[0]).toBeCloseTo((3 + (await tensor([300]).data())[0]) ** 2, 5)
  })

  it('are not computed when nobody wants them', async () => {
    const before = statistics().flushes
    tf.tidy(() => void tf.matMul(tensor([50, 50]), tensor([50, 50])))
    flush()
    expect(statistics().flushes).toBe(before)
  })

  it('share a value through reshape and clone', async () => {
    const x = tf.add(tensor([10, 30]), 1)
    const y = tf.reshape(x, [300])
    const z = tf.clone(y)
    x.dispose()
    y.dispose()
    expect(distance(await z.data(), await tf.add(tensor([10, 30]), 1).data())).toBe(0)
  })

  it('fail where they are read, and later work goes on', async () => {
    const indices = tf.argMax(tf.mul(tensor([20, 30]), 2), 1)
    const bad = tf.tidy(() => tf.gather(tensor([5, 70]), indices))
    await expect(bad.data()).rejects.toThrow(/indices element out of data bounds|out of/i)
    await expect(bad.data()).rejects.toThrow()
    expect(distance(await tf.mul(tensor([100]), 2).data(), await tf.add(tensor([100]), tensor([100])).data())).toBe(0)
  })

  it('tell of a gathered index outside at once when the indices are known', () => {
    expect(() => tf.gather(tensor([5, 70]), tf.tensor1d([1, 5], 'int32'))).toThrow('GatherV2: the index value 5 is not in [0, 4]')
  })
})

describe('memory', () => {
  it('keeps no tensor and no buffer after repeated work', async () => {
    const work = async () => {
      const y = tf.tidy(() => tf.softmax(tf.matMul(tensor([60, 60]), tf.relu(tensor([60, 60], 2)))))
      await y.data()
      y.dispose()
    }
    await work()
    const before = tf.memory()
    for (let time = 0; time < 5; time++) await work()
    expect(tf.memory().numTensors).toBe(before.numTensors)
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers)
  })

  it('never hands out an array that the user holds', async () => {
    const first = tf.mul(tensor([1000]), 2)
    const held = (await first.data()) as Float32Array
    const copy = held.slice()
    first.dispose()
    for (let time = 0; time < 5; time++) {
      const other = tf.mul(tensor([1000], time), 3)
      await other.data()
      other.dispose()
    }
    expect(held).toEqual(copy)
  })

  it('never recycles an array that a slice by tfjs-cpu still views', async () => {
    const whole = tf.add(tensor([40, 10]), 0)
    flush()
    const part = tf.stridedSlice(whole, [0, 0], [20, 10], [1, 1])
    const expected = (await part.data()).slice()
    const again = tf.stridedSlice(whole, [0, 0], [20, 10], [1, 1])
    whole.dispose()
    for (let time = 0; time < 5; time++) tf.dispose(await tf.add(tensor([40, 10], time), 5).data())
    expect(await again.data()).toEqual(expected)
  })

  it('moves tensors from and to other backends', async () => {
    const y = tf.mul(tensor([100]), 2)
    await tf.setBackend('cpu')
    const z = tf.add(y, 1)
    expect(distance(await z.data(), await tf.add(tf.mul(tensor([100]), 2), 1).data())).toBeLessThan(1e-6)
    await tf.setBackend('ort')
    expect(distance(await tf.sub(z, 1).data(), await y.data())).toBeLessThan(1e-5)
  })
})

describe('traces', () => {
  const shapes = (length: number) => tf.tidy(() => tf.sum(tf.softmax(tf.mul(tf.matMul(tensor([1, 80]), tensor([80, length])), 2))))

  it('are compiled when they repeat', async () => {
    const before = statistics().compiled
    for (let time = 0; time < 4; time++) await shapes(91).data()
    expect(statistics().compiled).toBe(before + 1)
  })

  it('are not compiled when only their shapes grow, even the second time round', async () => {
    const before = statistics().compiled
    for (let time = 0; time < 2; time++) for (let length = 100; length < 120; length++) await shapes(length).data()
    expect(statistics().compiled).toBe(before)
  })

  it('that grow, as in decoding with a cache, run as one graph for all lengths', async () => {
    const decode = async (backend: string) => {
      await tf.setBackend(backend)
      const results: number[] = []
      let keys = tensor([2, 1, 90]) as tf.Tensor
      const before = statistics().interpreted
      for (let step = 0; step < 12; step++) {
        const [grown, mixed] = tf.tidy(() => {
          const grown = tf.concat([keys, tf.mul(tensor([2, 1, 90], step), 2)], 1)
          const scores = tf.matMul(tf.reshape(tensor([2, 90], step + 9), [2, 1, 90]), grown, false, true)
          const flat = tf.reshape(tf.softmax(scores), [2, step + 2])
          const tail = tf.slice(flat, [0, step + 1], [2, 1])
          return [grown, tf.sum(tf.mul(tail, tf.matMul(tf.reshape(flat, [2, 1, step + 2]), grown)))] as [tf.Tensor, tf.Tensor]
        })
        keys.dispose()
        keys = grown
        results.push((await mixed.data())[0])
        mixed.dispose()
      }
      keys.dispose()
      return { results, interpreted: statistics().interpreted - before }
    }
    const expected = await decode('cpu')
    const got = await decode('ort')
    expect(distance(expected.results, got.results)).toBeLessThan(1e-5)
    expect(got.interpreted).toBeLessThanOrEqual(3)
  })

  it('take a number that changes as an input, without compiling again', async () => {
    const scaled = (factor: number) => tf.tidy(() => tf.sum(tf.sqrt(tf.exp(tf.mul(tensor([500]), factor)))))
    await scaled(1).data()
    await scaled(2).data()
    const before = statistics().compiled
    const results = []
    for (let factor = 3; factor < 8; factor++) results.push((await scaled(factor).data())[0])
    expect(statistics().compiled - before).toBeLessThanOrEqual(1)
    expect(new Set(results).size).toBe(5)
  })
})

describe('configure', () => {
  it('gives the settings in force', async () => {
    expect(configure({ threads: 1, sessions: 3 })).toMatchObject({ threads: 1, sessions: 3 })
    expect(
      distance(await tf.matMul(tensor([40, 40]), tensor([40, 40])).data(), await tf.matMul(tensor([40, 40]), tensor([40, 40])).data()),
    ).toBe(0)
    expect(configure({ threads: 2 }).threads).toBe(2)
  })

  it('lets threads spin unless told otherwise, and computes the same', async () => {
    expect(resolveSettings({}, {}).spinning).toBe(true)
    expect(resolveSettings({}, { TERSOR_SPINNING: '0' }).spinning).toBe(false)
    const product = () => tf.tidy(() => tf.matMul(tensor([200, 200]), tensor([200, 200], 2)))
    const before = product()
    expect(configure({ spinning: true }).spinning).toBe(true)
    const after = product()
    expect(distance(await before.data(), await after.data())).toBe(0)
    expect(configure({ spinning: false }).spinning).toBe(false)
    tf.dispose([before, after])
  })

  it('refuses numbers that make no sense', () => {
    expect(() => configure({ threads: 0 })).toThrow('threads must be a whole number above 0, got 0.\nLeave it out to use the default.')
  })
})

describe('loading', () => {
  it('says what to do when onnxruntime-node is missing', () => {
    const { problem } = loadNative(() => {
      throw new Error("Cannot find module 'onnxruntime-node'\nRequire stack")
    })
    expect(problem).toMatch(
      /^@tersor\/backend-ort cannot load onnxruntime-node: Cannot find module 'onnxruntime-node'\nRun `npm install onnxruntime-node@/,
    )
  })

  it('refuses another version', () => {
    expect(loadNative(() => ({ version: '1.0.0' })).problem).toMatch(
      /^@tersor\/backend-ort needs onnxruntime-node 1\.30\.0, got 1\.0\.0\.\nRun /,
    )
  })
})

it('computes the same without memory kept between runs', async () => {
  const run = async (): Promise<Float32Array[]> => {
    const results: Float32Array[] = []
    for (let time = 0; time < 3; time++) {
      const y = tf.tidy(() => tf.softmax(tf.add(tf.matMul(tensor([40, 30], 1) as tf.Tensor2D, tensor([30, 50], 2) as tf.Tensor2D), 1)))
      results.push((await y.data<'float32'>()).slice())
      y.dispose()
    }
    return results
  }
  const kept = await run()
  const compiled = statistics().compiled
  expect(configure({ arena: false }).arena).toBe(false)
  expect(await run()).toEqual(kept)
  expect(statistics().compiled).toBeGreaterThan(compiled) // the graph was compiled anew
  configure({})
})
