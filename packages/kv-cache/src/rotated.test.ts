import '@tensorflow/tfjs-backend-cpu'
import { describeEncoding } from '@tersor/testing'
import { int4 } from './int4.js'
import { rotated } from './rotated.js'
import { encodedBy } from './view.fixture.js'

describeEncoding(() => rotated({ encoding: int4({ recent: 8 }), values: true }), {
  ample: () => rotated({ encoding: int4({ recent: 64 }) }),
  bytes: [2 * 2 * 32 * 4, 2 * 2 * 32 * 4],
  error: [0.06, 0.06],
})

const far = (got: readonly number[], wanted: readonly number[]): number => Math.hypot(...wanted.map((value, i) => value - got[i]))

it('spreads a channel that is large over all', async () => {
  const x = Array.from({ length: 32 * 16 }, (_, i) => (i % 16 === 3 ? 20 : 1) * Math.sin(i * i))
  const [plain] = await encodedBy(int4({ group: 16 }), x, 16)
  const [turned] = await encodedBy(rotated({ encoding: int4({ group: 16 }) }), x, 16)
  expect(far(turned.keys, x)).toBeLessThan(0.8 * far(plain.keys, x))
  expect(turned.values).toEqual(plain.values)
})

it('takes what encodes', () => {
  expect(() => rotated({ encoding: { name: 'x' } as never })).toThrow('rotated encoding got encoding = x.')
  expect(rotated({ encoding: int4() })).toMatchObject({ options: { encoding: { name: 'int4' } } })
})
