import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { magnitude } from '@tersor/pruning'
import { rtn } from '@tersor/quantization'
import { describePass, picoModel } from '@tersor/testing'
import { compress } from '../run/compress.js'
import { mixed, rules } from './mixed.js'
import type { Encoded } from '@tersor/tensor'
import { callText } from './options.js'

beforeAll(() => tf.setBackend('cpu'))

describePass(() => mixed({ methods: [rtn({ bits: 8, group: 8, only: '*.1' }), magnitude({ sparsity: 0.5 })] }))

it('gives each site the first method that takes it', async () => {
  const step = mixed({ methods: [rtn({ bits: 8, only: '*.1' }), rtn({ bits: 2, only: '*.1' }), magnitude({ sparsity: 0.5 })] })
  const small = await compress(picoModel(), step)
  const first = await small.params.read('layers.0.weight')
  const second = await small.params.read('layers.1.weight')
  expect([first, second].map(tree => tree.kind === 'encoded' && [tree.codec.name, tree.attrs.bits])).toEqual([
    ['masked', undefined],
    ['affine', 8],
  ])
  expect(callText(small.provenance![0].method === 'mixed' ? step : rtn())).toMatch(
    /^mixed\(methods=\[rtn\(bits=8, .*only=\*\.1\), rtn\(bits=2, .*\), magnitude\(sparsity=0.5, .*\)\]\)$/,
  )
  expect(JSON.parse(JSON.stringify(small.provenance![0].options)).methods[0]).toMatchObject({
    name: 'rtn',
    options: { bits: 8, only: '*.1' },
  })
})

it('refuses what is no list of methods', () => {
  const message = 'Pass a list of methods: tried in order; `only` says where each works.'
  for (const methods of [[], [{ name: 'rtn' }], ['rtn'], rtn()])
    expect(() => mixed({ methods: methods as never })).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(message) }),
    )
})

it('takes rules one after the other, and says which take nothing', async () => {
  const warnings: string[] = []
  const step = rules(rtn({ bits: 8, only: ['*.1', '!*.0'] }), rtn({ bits: 3, only: '*.1' }), rtn({ bits: 2, except: '*.9' }))
  const small = await compress(picoModel(), step, { onProgress: event => event.type === 'warning' && warnings.push(event.message) })
  const bits = async (name: string) => ((await small.params.read(name)) as Encoded).attrs.bits
  expect([await bits('layers.0.weight'), await bits('layers.1.weight')]).toEqual([2, 8])
  expect(warnings).toEqual([expect.stringMatching(/^rtn\(bits=3, .*only=\*\.1\) takes nothing that those before it leave$/)])
  expect(small.provenance![0]).toMatchObject({ method: 'mixed', options: { methods: [{ options: { only: ['*.1', '!*.0'] } }, {}, {}] } })
})

it('says with which patterns no site was found', async () => {
  await expect(compress(picoModel(), rtn({ only: ['*.x', '!*.1'], except: '*.0' }))).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining(
      'rtn finds no site to work on with only = ["*.x", "!*.1"] with except = "*.0".\nThe model\'s sites are ',
    ),
  })
  expect(() => rtn({ only: '/(/' })).toThrow(
    expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining('Pass names with *, {a,b}, ! or /…/, or a list: ') }),
  )
})
