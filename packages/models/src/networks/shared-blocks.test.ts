import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, createRng, pack, pipeline, shrink, switchedOff, type Change, type Model } from '@tersor/core'
import { repeatably } from '@tersor/kernels/repeatably'
import { magnitude } from '@tersor/pruning'
import { rtn } from '@tersor/quantization'
import { casesTried } from '@tersor/testing'
import { memoryStore, type Dense, type Parameter } from '@tersor/tensor'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'
import { largestGap, outputsOf as outputsFor, someIds, withValues } from './outputs.fixture.js'

beforeAll(() => tf.setBackend('cpu'))

/** Of one rounding, whatever ran before. */
const outputsOf: typeof outputsFor = (...given) => repeatably(() => outputsFor(...given))

const block = (layer: number, part = ''): string => `model.layers.${layer}${part}`

/** Four blocks, all of whose numbers differ. */
const network = (name = 'llama'): Promise<Model> => {
  const rng = createRng(7)
  const fresh = freshModel({ ...FRESH_CONFIGS[name], num_hidden_layers: 4 }, { seed: 3, deviation: 0.2 })
  return withValues<Model>(fresh, (parameter, values) => values.map(value => value + (/norm/.test(parameter) ? 0.3 * rng.fork(parameter).normal() : 0))) // prettier-ignore
}

/** The same network with weights of one block copied into the place of another's by hand, all but those whose names have "norm". */
const copied = async (model: Model, pairs: readonly (readonly [to: number, from: number])[], part = ''): Promise<Model> => {
  const all: Record<string, Parameter> = {}
  for (const name of model.params.names()) {
    const pair = pairs.find(([to]) => name.startsWith(`${block(to, part)}.`))
    const from = pair && !/norm/.test(name) ? name.replace(block(pair[0]), block(pair[1])) : name
    all[name] = await model.params.read(from)
  }
  return { ...model, params: memoryStore(all) }
}

const bytesOf = async ({ params }: Model): Promise<Readonly<Record<string, Uint8Array>>> => {
  const each = params.names().map(async name => [name, ((await params.read(name)) as Dense).bytes] as const)
  return Object.fromEntries(await Promise.all(each))
}

describe('blocks that use the weights of others', () => {
  it.each(casesTried(['llama', 'qwen3', 'phi3', 'gemma2', 'mixtral'], 2))(
    'are a network with those weights copied, to the last bit: %s',
    async name => {
      const model = await network(name)
      const shares = new Map([[block(1), block(0)], [block(3), block(2)]]) // prettier-ignore
      const [small, wanted] = [await shrink(model, { shares }), await copied(model, [[1, 0], [3, 2]])] // prettier-ignore
      expect(await bytesOf(small)).toEqual(await bytesOf(wanted))
      const outputs = await outputsOf(wanted, someIds)
      expect(await outputsOf(small, someIds)).toEqual(outputs)
      expect(await outputsOf(switchedOff(model, { shares }), someIds)).toEqual(outputs)
      expect(largestGap(outputs, await outputsOf(model, someIds))).toBeGreaterThan(1e-3)
    },
  )

  it('may be parts of blocks, in the other order too', async () => {
    const model = await network()
    const shares = new Map([[block(0, '.mlp'), block(3, '.mlp')]])
    expect(await bytesOf(await shrink(model, { shares }))).toEqual(await bytesOf(await copied(model, [[0, 3]], '.mlp')))
  })

  it('hold the very bytes of those, once in memory', async () => {
    const small = await shrink(await network(), { shares: new Map([[block(1), block(0)]]) })
    const weight = async (layer: number) => (await small.params.read(block(layer, '.mlp.up_proj.weight'))) as Dense
    expect((await weight(1)).bytes).toBe((await weight(0)).bytes)
  })

  it.each(['llama', 'mixtral'])('are cut as those are, beside blocks that are left out: %s', async name => {
    const model = await network(name)
    const place = name === 'mixtral' ? 'block_sparse_moe' : 'mlp'
    const keep = new Map<string, readonly number[]>([
      [block(0, '.self_attn.heads'), [1]],
      ...(name === 'mixtral' ? [[block(0, '.block_sparse_moe.experts'), [2, 0]] as const] : [[block(0, '.mlp.neurons'), [5, 1, 7, 2]] as const]),
      ['stream', Array.from({ length: 16 }, (_, i) => 31 - 2 * i)],
    ]) // prettier-ignore
    const change: Change = { keep, shares: new Map([[block(3), block(0)]]), without: new Set([block(1), block(2, `.${place}`)]) }
    const small = (await shrink(model, change)) as Model & { readonly rawConfig: Record<string, unknown> }
    expect(small.rawConfig.num_key_value_heads).toEqual([1, 2, 1]) // the last block as the first
    expect(largestGap(await outputsOf(small, someIds), await outputsOf(switchedOff(model, change), someIds))).toBeLessThan(1e-5)
  })

  it('bring the form of weights along: masks, codes and what is packed', async () => {
    const shares = new Map([[block(1), block(0)]])
    for (const step of [
      pipeline(magnitude({ sparsity: 0.5 }), rtn({ bits: 4, group: 16 })),
      pipeline(magnitude({ pattern: '2:4' }), pack()),
    ]) {
      const model = await compress(await network(), step)
      const small = await shrink(model, { shares })
      const [own, used] = [1, 0].map(layer => block(layer, '.mlp.up_proj.weight'))
      expect(await small.params.read(own)).toEqual(await model.params.read(used))
      expect(await outputsOf(small, someIds)).toEqual(await outputsOf(switchedOff(model, { shares }), someIds))
    }
  })
})

it.each([
  [{ shares: [['x', block(0)]] }, /^There is no block "x"\.\nBlocks are model\.layers\.0, .* and 8 more\.$/],
  [{ shares: [[block(1), 'x']] }, /^There is no block "x"\./],
  [{ shares: [[block(1), block(1)]] }, /cannot use the weights of "model\.layers\.1": it is the same block\.\nName a block/],
  [
    {
      shares: [
        [block(1), block(0)],
        [block(2), block(1)],
      ],
    },
    /"model\.layers\.2" cannot use .*"model\.layers\.1" uses those of "model\.layers\.0" itself\./,
  ],
  [{ shares: [[block(1), block(0)]], without: [block(0)] }, /"model\.layers\.0" is left out\./],
  [{ shares: [[block(1, '.mlp'), block(0, '.mlp')]], without: [block(1)] }, /"model\.layers\.1\.mlp" is left out\./],
  [{ shares: [[block(1, '.mlp'), block(0, '.self_attn')]] }, /one is feedForward, the other attention\./],
  [
    {
      shares: [
        [block(1), block(0)],
        [block(1, '.mlp'), block(2, '.mlp')],
      ],
    },
    /"model\.layers\.1\.[^"]*" is to come from two blocks\.\nName a block or its parts/,
  ],
  [
    { shares: [[block(1), block(0)]], keep: [[block(1, '.mlp.neurons'), [0]]] },
    /is to keep other units than "model\.layers\.0\.mlp\.neurons", whose weights it uses\.\nName units of/,
  ],
] as const)('what makes no sense is refused before anything is written: %#', async ({ shares, without = [], keep = [] }: any, message) => {
  const opened = jest.fn()
  const change: Change = { shares: new Map(shares), without: new Set(without), keep: new Map(keep) }
  await expect(shrink(await network(), change, { sink: opened })).rejects.toMatchObject({ code: 'BAD_OPTION', message: expect.stringMatching(message) }) // prettier-ignore
  expect(opened).not.toHaveBeenCalled()
})

it('blocks of another make are refused', async () => {
  const model = freshModel({ ...FRESH_CONFIGS.llama, intermediate_size: [48, 40] }, { seed: 3 })
  const run = shrink<Model>(model, { shares: new Map([[block(1), block(0)]]) })
  await expect(run).rejects.toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining('their weights have other shapes.') })
})
