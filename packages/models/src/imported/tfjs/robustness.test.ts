import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import * as layers from '@tensorflow/tfjs-layers'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRng } from '@tersor/core'
import { mutate, TEXT, tries } from '../../../../formats/src/files/mutations.fixture.js'
import { openTfjsModel } from './model.js'
import { placeGraph, placeLayers, saveLayers } from './tiny-tfjs.fixture.js'

const MUTATIONS = tries(1500)
const LARGEST_ALLOCATION = 64 << 20
const LONGEST_MS = 4000

let folder = ''
beforeAll(() => tf.setBackend('cpu'))
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'tersor-tfjs-robust-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const openAndRead = async (path: string): Promise<void> => {
  const model = await openTfjsModel(path)
  try {
    for (const name of model.params.names()) await model.params.read(name)
  } finally {
    await model.close?.()
  }
}

const placeRecurrent = (path: string): Promise<string> => {
  const { timeDistributed, dense, bidirectional, lstm, conv1d } = layers.layers
  const both = lstm({ units: 2, recurrentInitializer: 'glorotUniform', returnSequences: true }) as layers.RNN
  const inner = [timeDistributed({ layer: dense({ units: 3 }), inputShape: [4, 2] }), bidirectional({ layer: both, mergeMode: 'concat' })]
  return saveLayers(path, layers.sequential({ layers: [...inner, conv1d({ filters: 2, kernelSize: 2 })] }))
}

it.each([
  ['graph', (path: string) => placeGraph(path), MUTATIONS],
  ['layers', placeLayers, MUTATIONS],
  ['recurrent layers', placeRecurrent, MUTATIONS / 5],
] as const)(
  `gives coded errors or models for damaged topologies and manifests of a model of %s, in bounded time and memory`,
  async (_, place, count) => {
    const path = await place(folder)
    await openAndRead(path)
    const { modelTopology, ...rest } = JSON.parse(await readFile(path, 'utf8')) as { modelTopology: object }
    const [topology, other] = [modelTopology, rest].map(each => new TextEncoder().encode(JSON.stringify(each)))
    const tensors = tf.memory().numTensors
    const rng = createRng(21)
    let refused = 0
    for (let i = 0; i < count; i++) {
      const [a, b] = rng.uniform() < 0.8 ? [mutate(topology, TEXT, rng), other] : [topology, mutate(other, TEXT, rng)]
      const text = `{"modelTopology":${Buffer.from(a).toString()},${Buffer.from(b).toString().slice(1)}`
      await writeFile(path, text)
      const [started, before] = [performance.now(), process.memoryUsage()]
      await openAndRead(path).catch((error: Error) => {
        refused++
        if (error.name !== 'CompressionError' || error.message.split('\n').length !== 2)
          throw new Error(`model ${i}: ${text}`, { cause: error })
      })
      const after = process.memoryUsage()
      expect(performance.now() - started).toBeLessThan(LONGEST_MS)
      expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(LARGEST_ALLOCATION)
      expect(tf.memory().numTensors).toBe(tensors)
    }
    expect(refused).toBeGreaterThan(count / 3)
  },
  300_000,
)

it.each([
  ['["flatten_Flatten1",0,0,{}]', '["flatten_Flatten1",3,0,{}]', 'The layer "dense" waits for an input that no layer gives.'],
  ['["conv",0,0,{}]', '["nothing",0,0,{}]', 'The layer "inner" waits for an input that no layer gives.'],
  ['["input1",0,0,{}]', '["dense",0,0,{}]', 'The layer "conv" waits for an input that no layer gives.'],
  ['{"name":"dense"', '{"name":"conv"', 'A layer has two names, or none: "conv".'],
])('refuses %s as %s, with which tfjs would never end', async (from, to, what) => {
  const path = await placeLayers(folder)
  const text = (await readFile(path, 'utf8')).replaceAll(/(input|flatten_Flatten|model)\d+/g, '$11')
  expect(text).toContain(from)
  await writeFile(path, text.replace(from, to))
  await expect(openTfjsModel(path)).rejects.toMatchObject({ code: 'BAD_FILE', message: expect.stringContaining(what) })
})

it('refuses a layer larger than the file before it is made', async () => {
  const path = await placeLayers(folder)
  const text = await readFile(path, 'utf8')
  await writeFile(path, text.replace('"units":5', '"units":2000000000'))
  const before = tf.memory().numTensors
  await expect(openTfjsModel(path)).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: expect.stringMatching(/^A layer has a weight \[36, 2000000000\], and the file holds \d+ numbers in all\.\n/),
  })
  expect(tf.memory().numTensors).toBe(before)
})
