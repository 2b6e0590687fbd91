import { fromBinary, toBinary } from '@bufbuild/protobuf'
import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { loadModel } from '@tersor/core'
import { picoLlama } from '@tersor/models'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HIDDEN_FROM_SIGHT } from '../folder/operators.js'
import { ModelProtoSchema, TensorProtoSchema } from '../file/schema/onnx-ml_pb.js'
import { decoderGraphOf } from './decoder-graph.fixture.js'
import { DOORS, withCacheDoors } from './edit.js'
import { floatsOf, wholeTensor } from './graph-tensors.js'
import { layersOf } from './layers.js'

const HEADS = 4
const KEY_HEADS = 2
const SIZE = 16
const PROMPT = 12
const model = picoLlama({ hidden: 64, heads: HEADS, keyValueHeads: KEY_HEADS, context: 64, seed: 3 })

let folder = ''
beforeAll(async () => {
  await tf.setBackend('ort')
  folder = await mkdtemp(join(tmpdir(), 'tersor-edit-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe.each(['plain', 'fused'] as const)('an edited graph with %s attention', attention => {
  /** Steps over pasts with biases, as floats. */
  const open = async () => {
    const graph = await decoderGraphOf(join(folder, attention), model, { attention })
    const layers = layersOf(graph.inputs, graph.outputs)!
    const { weights, dispose } = await loadModel(graph)
    let changed: Uint8Array | undefined
    let plain: Uint8Array | undefined
    const { native, session, constants } = graph.load({ weights }, bytes => {
      plain = bytes
      changed = withCacheDoors(bytes, layers, { observed: true })
      return changed
    })
    dispose()
    const names = new Set(graph.inputs.map(each => each.name))
    const step = (ids: readonly number[], first: number, pasts: readonly Float32Array[], bias?: Float32Array) => {
      const held = pasts[0].length / (KEY_HEADS * SIZE)
      const all = held + ids.length
      const added = native.typed('float32', bias ?? new Float32Array(HEADS * ids.length * all), attention === 'fused' ? [1, HEADS, ids.length, all] : [1, KEY_HEADS, HEADS / KEY_HEADS, ids.length, all]) // prettier-ignore
      const feeds = {
        ...constants,
        input_ids: wholeTensor(native, ids.length, i => ids[i]),
        attention_mask: wholeTensor(native, all, () => 1),
        position_ids: wholeTensor(native, ids.length, i => first + i),
        ...Object.fromEntries(
          layers.flatMap(({ index, keys, values }, i) => [
            [DOORS.bias(index), added],
            ...[keys, values].map(({ past }, part) => [past, native.typed('float32', pasts[2 * i + part], [1, KEY_HEADS, held, SIZE])]),
          ]),
        ),
      }
      const outputs = ['logits', ...layers.flatMap(({ keys, values }) => [keys.present, values.present]), DOORS.queries(0)]
      const results = session.fetch(feeds, outputs)
      return { logits: floatsOf(results.logits), presents: outputs.slice(1, -1).map(each => floatsOf(results[each])), queries: results[DOORS.queries(0)] } // prettier-ignore
    }
    return { step, names, bytes: { plain: plain!, edited: changed! }, close: () => graph.close?.() }
  }
  let edited: Awaited<ReturnType<typeof open>>
  beforeAll(async () => void (edited = await open()))
  afterAll(() => edited.close())
  const NOTHING = [0, 1, 2, 3].map(() => new Float32Array(0))
  const ids = Array.from({ length: PROMPT }, (_, i) => (i * 7 + 3) % 250)

  it('gives the same for entries that are hidden as for entries that are gone, to 1e-6, where tokens keep their positions', async () => {
    const { step } = edited
    const { presents } = step(ids, 0, NOTHING)
    const gone = new Set([1, 4, 5, 9])
    const bias = Float32Array.from({ length: HEADS * (PROMPT + 1) }, (_, i) => (gone.has(i % (PROMPT + 1)) ? HIDDEN_FROM_SIGHT : 0))
    const masked = step([8], PROMPT, presents, bias).logits
    const kept = presents.map(all => {
      const rows = Array.from({ length: KEY_HEADS * PROMPT }, (_, row) => row).filter(row => !gone.has(row % PROMPT))
      return Float32Array.from(rows.flatMap(row => [...all.subarray(row * SIZE, (row + 1) * SIZE)]))
    })
    const evicted = step([8], PROMPT, kept).logits
    const most = Math.max(...masked.map(Math.abs))
    expect(Math.max(...masked.map((value, i) => Math.abs(value - evicted[i]))) / most).toBeLessThan(1e-6)
    const elsewhere = step([8], PROMPT - gone.size, kept).logits // as positions that follow places would have it
    expect(Math.max(...masked.map((value, i) => Math.abs(value - elsewhere[i])))).toBeGreaterThan(1e-2)
  })

  it('touches no weight, and no node but those that it adds or feeds', async () => {
    const { bytes, step } = edited
    const [before, after] = [bytes.plain, bytes.edited].map(each => fromBinary(ModelProtoSchema, each).graph!)
    const weights = ({ initializer }: typeof before) => initializer.map(each => Buffer.from(toBinary(TensorProtoSchema, each)))
    const kept = weights(after)
    expect(weights(before).filter((tensor, i) => !tensor.equals(kept[i]))).toEqual([])
    const own = after.node.filter(({ name }) => !name.startsWith('tersor_cache_'))
    expect(own.map(({ name, output }) => [name, output])).toEqual(before.node.map(({ name, output }) => [name, output]))
    expect(Buffer.compare(toBinary(ModelProtoSchema, fromBinary(ModelProtoSchema, bytes.plain)), bytes.plain)).toBe(0)
    const { dims } = step(ids, 0, NOTHING).queries
    expect(dims.reduce((a, b) => a * b, 1)).toBe(HEADS * PROMPT * SIZE)
  })
})
