import { parseStep } from './step.js'

it.each([
  ['rtn', { name: 'rtn', options: {} }],
  ['rtn()', { name: 'rtn', options: {} }],
  ['rtn(bits=3, symmetric=false, granularity=row)', { name: 'rtn', options: { bits: 3, symmetric: false, granularity: 'row' } }],
  ['wanda(pattern=2:4)', { name: 'wanda', options: { pattern: '2:4' } }],
  [' magnitude( sparsity = 0.5 , within=layer ) ', { name: 'magnitude', options: { sparsity: 0.5, within: 'layer' } }],
  ['gptq(only=*.mlp.*)', { name: 'gptq', options: { only: '*.mlp.*' } }],
  ['gptq(only="a,b", bits=\'4\')', { name: 'gptq', options: { only: 'a,b', bits: '4' } }],
  ['tersor-x:my-method(a=1e-3)', { package: 'tersor-x', name: 'my-method', options: { a: 0.001 } }],
  ['@scope/tersor-x:m', { package: '@scope/tersor-x', name: 'm', options: {} }],
  [
    'qat(rounding=rtn(bits=4, group=32), steps=10)',
    { name: 'qat', options: { rounding: { name: 'rtn', options: { bits: 4, group: 32 } }, steps: 10 } },
  ],
  [
    'mixed(methods=[rtn(bits=8, only=*.down_proj), x:nf4()], budgets=[0.5, 1])',
    {
      name: 'mixed',
      options: {
        methods: [
          { name: 'rtn', options: { bits: 8, only: '*.down_proj' } },
          { package: 'x', name: 'nf4', options: {} },
        ],
        budgets: [0.5, 1],
      },
    },
  ],
  ['quantize-activations(observer=percentile)', { name: 'quantize-activations', options: { observer: 'percentile' } }],
  ['./local/x.ts:m(b=true)', { package: './local/x.ts', name: 'm', options: { b: true } }],
])('reads %s', (source, expected) => {
  expect(parseStep(source)).toEqual(expected)
})

it.each([
  ['', 'is not a call'],
  ['rtn(bits=3', 'is not a call'],
  ['rtn bits', 'is not a call'],
  ['rtn(3)', 'has an option that cannot be read at "3"'],
  ['rtn(bits=3, =4)', 'has an option that cannot be read at "=4"'],
  ['rtn(bits=3, bits=4)', 'gives bits twice'],
  ['rtn(bits=)', 'gives bits no value'],
  ['qat(rounding=rtn(bits=4)', 'is not a call'],
  ['mixed(methods=[rtn(bits=4)', 'is not a call'],
  ['mixed(methods=[rtn(4)])', 'has an option that cannot be read at "4)]"'],
  ['rtn(bits=4) nf4()', 'is not a call'],
])('refuses %p', (source, what) => {
  expect(() => parseStep(source)).toThrow(
    expect.objectContaining({
      code: 'BAD_OPTION',
      message: `The step ${JSON.stringify(source)} ${what}.\nWrite it as a call with named options, such as "gptq(bits=4, group=32)".`,
    }),
  )
})
