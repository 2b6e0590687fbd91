import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { before, test } from 'node:test'
import * as tf from '@tensorflow/tfjs-core'
import { compress, forward, loadModel, pipeline, type Model, type RunOptions, type Step } from '@tersor/core'
import type { InputBatches } from '@tersor/evaluation'
import { tfjsSink } from '@tersor/formats/tfjs'
import { selectEngine } from '@tersor/kernels'
import { openTfjsModel, type TfjsGraphModel } from '@tersor/models'
import { quantizeActivations, rtn } from '@tersor/quantization'
import { missing } from './data.js'
import { withFolder } from './files.js'
import { loadInTfjs, NSFW, placeNsfw } from './tfjs-files.js'
import { IMAGES, inputsOf, viewsOf } from './views.js'

/** uint8 with one scale a tensor, as tfjs keeps it; weights that came so keep their codes but for the rounding of the scale. */
const PER_TENSOR = rtn({ bits: 8, granularity: 'tensor', symmetric: false })
const BATCH = 25

// on tfjs-cpu a batch takes minutes
before(async () => {
  const { engine } = await selectEngine({ engine: 'ort' })
  assert.equal(tf.getBackend(), engine)
})

const sinkTo = (path: string, model: TfjsGraphModel): NonNullable<RunOptions['sink']> => {
  return ({ provenance = [] }) => tfjsSink(path, { ...model.file, provenance })
}

const weightBytes = async (folder: string): Promise<number> => {
  const files = (await readdir(folder)).filter(file => !file.endsWith('.json'))
  return (await Promise.all(files.map(file => stat(join(folder, file))))).reduce((sum, { size }) => sum + size, 0)
}

const furthest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, index) => Math.max(most, Math.abs(value - b[index])), 0)

for (const name of Object.keys(NSFW) as (keyof typeof NSFW)[])
  test(`${name} of nsfwjs is compressed and loads in unmodified tfjs`, { skip: missing(IMAGES) }, () =>
    withFolder(async folder => {
      const size = NSFW[name]
      const source = await placeNsfw(name, join(folder, 'source'))
      const model = await openTfjsModel(source)
      const small = await compress(model, PER_TENSOR, { sink: sinkTo(join(folder, 'small'), model) })
      const written = join(folder, 'small', 'model.json')
      const x = inputsOf(await viewsOf(size, 1, 7), size, BATCH).batch(0)
      const answers: ArrayLike<number>[] = []
      for (const path of [source, written]) {
        const loaded = await loadInTfjs(path)
        const y = loaded.predict(x)
        answers.push(await y.data())
        y.dispose()
        loaded.dispose()
      }
      const [bytes, after] = [await weightBytes(dirname(source)), await weightBytes(dirname(written))]
      const change = furthest(answers[0], answers[1])
      console.log(
        `  ${name}: ${bytes} bytes of weights, then ${after}; the largest change of a probability on ${x.shape[0]} views is ${change.toFixed(4)}`,
      )
      assert.ok(change < 0.02 && after <= bytes)
      x.dispose()
      await small.params.close?.()
      await model.close?.()
    }),
  )

/** What a network says of all views, (views, classes). */
const answersOf = async (model: Model, inputs: InputBatches): Promise<readonly (readonly number[])[]> => {
  const { weights, dispose } = await loadModel(model)
  const all: number[][] = []
  for (let index = 0; index < inputs.batches; index++) {
    const x = inputs.batch(index)
    const y = forward(model, x, { weights })
    all.push(...((await y.array()) as number[][]))
    tf.dispose([x, y])
  }
  dispose()
  return all
}

const best = (values: readonly number[]): number => values.indexOf(Math.max(...values))

const ROWS = rtn({ bits: 8, granularity: 'row', symmetric: false })
/** Steps, and the share of answers that they must keep; nothing is asked of those without. */
const RECIPES: Readonly<Record<string, readonly [steps: readonly Step[], share?: number]>> = {
  'uint8 weights, a scale a tensor': [[PER_TENSOR], 0.98],
  'the same, activations in 8 bits by min-max': [[PER_TENSOR, quantizeActivations()], 0.98],
  'uint8 weights, a scale a row, activations in 8 bits by min-max': [[ROWS, quantizeActivations()]],
}
/** CROPS · 2 views of each of ten photographs; what is learned from are other crops. */
const [CROPS, LEARNED] = [25, 2]

for (const name of ['mobilenet_v2', 'mobilenet_v2_mid'] as const)
  test(`${name} of nsfwjs in int8 keeps its answers on 500 views`, { skip: missing(IMAGES) }, () =>
    withFolder(async folder => {
      const size = NSFW[name]
      const model = await openTfjsModel(await placeNsfw(name, join(folder, 'source')))
      const views = await viewsOf(size, CROPS, 7)
      assert.ok(views.length >= 500)
      const inputs = inputsOf(views, size, BATCH)
      const learn = inputsOf(await viewsOf(size, LEARNED, 1_234_567), size, 10)
      const calibration = Array.from({ length: learn.batches }, (_, index) => learn.batch(index))
      const expected = await answersOf(model, inputs)
      for (const [what, [steps, share]] of Object.entries(RECIPES)) {
        const small = await compress(model, pipeline(...steps), { calibration })
        const grids = small.params.names().filter(each => each.endsWith('.input_scale')).length
        assert.equal(grids, steps.length > 1 ? model.stages[0].sites.length : 0)
        const got = await answersOf(small, inputs)
        const same = got.filter((values, index) => best(values) === best(expected[index])).length
        const change = Math.max(...got.map((values, index) => furthest(values, expected[index])))
        console.log(
          `  ${name}, ${what}: ${same} of ${got.length} answers kept (${((100 * same) / got.length).toFixed(1)} %), largest change ${change.toFixed(3)}`,
        )
        if (share !== undefined) assert.ok(same >= share * got.length)
      }
      tf.dispose(calibration)
      await model.close?.()
    }),
  )
