import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { before, test } from 'node:test'
import * as tf from '@tensorflow/tfjs-core'
import { compress, forward, loadModel, shrink, switchedOff, type Change, type Model } from '@tersor/core'
import { tfjsSink } from '@tersor/formats/tfjs'
import { selectEngine } from '@tersor/kernels'
import { openTfjsModel, type TfjsGraphModel } from '@tersor/models'
import { structured } from '@tersor/pruning'
import { missing } from './data.js'
import { withFolder } from './files.js'
import { classifyInNsfw, loadInTfjs, NSFW, placeNsfw } from './tfjs-files.js'
import { IMAGES, inputsOf, viewsOf } from './views.js'

tf.enableProdMode() // tfjs tells of every kernel that two copies of it register

// on tfjs-cpu a batch takes minutes
before(async () => {
  const { engine } = await selectEngine({ engine: 'ort' })
  assert.equal(tf.getBackend(), engine)
})

const ours = async (model: Model, x: tf.Tensor): Promise<ArrayLike<number>> => {
  const { weights, dispose } = await loadModel(model)
  const y = forward(model, x, { weights })
  const values = await y.data()
  y.dispose()
  dispose()
  return values
}

const theirs = async (path: string, x: tf.Tensor): Promise<ArrayLike<number>> => {
  const loaded = await loadInTfjs(path)
  const y = loaded.predict(x)
  const values = await y.data()
  y.dispose()
  loaded.dispose()
  return values
}

const apart = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  assert.equal(a.length, b.length)
  return Array.from(a).reduce((most, value, i) => Math.max(most, Number.isFinite(value - b[i]) ? Math.abs(value - b[i]) : Infinity), 0)
}

const bytesOf = async (folder: string): Promise<number> => {
  const files = (await readdir(folder)).filter(file => !file.endsWith('.json'))
  return (await Promise.all(files.map(file => stat(join(folder, file))))).reduce((sum, { size }) => sum + size, 0)
}

/** Of each coupling a share of the units, in reverse. */
const some = ({ couplings = [] }: Model, share: number): Change => ({
  keep: new Map(
    couplings.map(({ name, units }) => [name, Array.from({ length: Math.ceil(share * units) }, (_, i) => units - 1 - i)] as const),
  ),
})

const write = async (model: TfjsGraphModel, small: Model, folder: string): Promise<string> => {
  const sink = tfjsSink(folder, { ...model.file, overwrite: true })
  for (const name of small.params.names()) await sink.write(name, await small.params.read(name))
  await (await sink.finish()).close?.()
  return join(folder, 'model.json')
}

const COUPLINGS = { mobilenet_v2: 27, mobilenet_v2_mid: 25, inception_v3: 96 } as const

for (const name of Object.keys(NSFW) as (keyof typeof NSFW)[])
  test(`${name} of nsfwjs is cut and runs in unmodified tfjs and nsfwjs`, { skip: missing(IMAGES) }, () =>
    withFolder(async folder => {
      const size = NSFW[name]
      const source = await placeNsfw(name, join(folder, 'source'))
      const model = await openTfjsModel(source)
      for (const each of model.whole ?? []) console.log(`  ${each.units} units of ${each.weight} stay whole: ${each.reason}`)
      assert.deepEqual([model.couplings?.length, model.whole?.length], [COUPLINGS[name], 1])
      const x = inputsOf(await viewsOf(size, 1, 7), size, 4).batch(0)

      const expected = await theirs(source, x)
      const sorted = await write(model, await shrink(model, some(model, 1)), join(folder, 'sorted'))
      const unchanged = apart(await theirs(sorted, x), expected)
      const change = some(model, 0.75)
      const small = await write(model, await shrink(model, change), join(folder, 'small'))
      const exact = apart(await theirs(small, x), await ours(switchedOff(model, change), x))
      const share = (await bytesOf(dirname(small))) / (await bytesOf(dirname(source)))
      console.log(
        `  in another order ${unchanged.toExponential(1)} apart; three quarters of all units: ${exact.toExponential(1)} apart, ${(100 * share).toFixed(0)} % of the bytes`,
      )
      assert.ok(unchanged < 1e-4 && exact < 1e-5 && share < 0.7)

      const pruned = await compress(model, structured({ units: ['channels'], keep: 0.75 }), {
        sink: ({ provenance = [] }) => tfjsSink(join(folder, 'pruned'), { ...model.file, provenance }),
      })
      const path = join(folder, 'pruned', 'model.json')
      const answers = await ours(pruned, x)
      assert.ok(apart(await theirs(path, x), answers) < 1e-5)
      await pruned.params.close?.()
      const first = tf.tidy(() => tf.mul(tf.slice(x, 0, 1), 255))
      const named = await classifyInNsfw(path, tf.reshape(first, [size, size, 3]), size)
      console.log(`  nsfwjs says ${named.map(each => each.toFixed(4)).join(', ')}`)
      assert.ok(apart(named.toSorted(), Array.from(answers).slice(0, 5).toSorted()) < 1e-4)
      tf.dispose([x, first])
      await model.close?.()
    }),
  )
