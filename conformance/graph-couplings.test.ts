import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { compress, shrink, switchedOff, type Change, type Model } from '@tersor/core'
import { selectEngine } from '@tersor/kernels'
import { openModel } from '@tersor/models'
import type { OnnxModel } from '@tersor/onnx/model'
import { structured } from '@tersor/pruning'
import { withFolder } from './files.js'
import { inRuntime, OCR, ours, write } from './onnx-files.js'
import { pictures } from './pictures.js'

before(async () => void (await selectEngine()))

const apart = (a: Float32Array, b: Float32Array): number => {
  assert.equal(a.length, b.length)
  return a.reduce((most, value, i) => Math.max(most, Number.isFinite(value - b[i]) ? Math.abs(value - b[i]) : Infinity), 0)
}

/** Of each coupling a share of the units, in reverse. */
const some = ({ couplings = [] }: Model, share: number): Change => ({
  keep: new Map(
    couplings.map(({ name, units }) => [name, Array.from({ length: Math.ceil(share * units) }, (_, i) => units - 1 - i)] as const),
  ),
})

const NETWORKS = [
  { file: 'ch_PP-OCRv4_det_infer.onnx', count: 1, height: 160, width: 160, couplings: 36, whole: 0 },
  { file: 'ch_PP-OCRv4_rec_infer.onnx', count: 2, height: 48, width: 160, couplings: 21, whole: 3 },
  { file: 'ch_ppocr_mobile_v2.0_cls_infer.onnx', count: 2, height: 48, width: 192, couplings: 25, whole: 1 },
] as const

for (const { file, count, height, width, couplings, whole } of NETWORKS)
  test(`${file} is cut and runs in ONNX Runtime`, () =>
    withFolder(async folder => {
      const model = (await openModel(join(OCR, file))) as OnnxModel
      for (const each of model.whole ?? []) console.log(`  ${each.units} units of ${each.weight} stay whole: ${each.reason}`)
      assert.deepEqual([model.couplings?.length, model.whole?.length ?? 0], [couplings, whole])
      const x = pictures(count, height, width)
      const path = join(folder, 'small.onnx')
      const before = (await stat(join(OCR, file))).size

      const sorted = await shrink(model, some(model, 1))
      await write(path, model, sorted, { overwrite: true })
      const expected = await inRuntime(join(OCR, file), x)
      assert.ok(new Set(expected).size > 1, 'the pictures show something')
      const unchanged = apart(await inRuntime(path, x), expected)
      const change = some(model, 0.75)
      const small = await shrink(model, change)
      const bytes = await write(path, model, small, { overwrite: true })
      const exact = apart(await inRuntime(path, x), await ours(switchedOff(model, change), x))
      console.log(
        `  in another order ${unchanged.toExponential(1)} apart; three quarters of all units: ${exact.toExponential(1)} apart, ${((100 * bytes) / before).toFixed(0)} % of the bytes`,
      )
      assert.ok(unchanged < 1e-4 && exact < 1e-5)
      assert.ok(bytes < 0.8 * before)

      const pruned = await compress(model, structured({ units: ['channels'], keep: 0.75, multiple: 4 }))
      await write(path, model, pruned, { overwrite: true })
      assert.ok(apart(await inRuntime(path, x), await ours(pruned, x)) < 1e-4)
      x.dispose()
      await model.close?.()
    }))
