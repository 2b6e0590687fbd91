import { fromFloat32 } from './dense.js'
import { CompressionError, hasCode } from './errors.js'
import { bitsPerWeight, byteLength, denseLeaves, describe as describeTree, encoded, type Codec } from './parameter.js'
import { infoOf, memorySink, memoryStore, notFound, storeOver } from './store.js'

const pair: Codec = { name: 'pair', decode: parts => parts.a }
const tree = encoded(pair, [2], { a: fromFloat32([1, 2], 'f32', [2]), b: fromFloat32([1, 2], 'f16', [2]) })

it('counts the leaves of a tree', () => {
  expect(byteLength(tree)).toBe(12)
  expect(
    denseLeaves(encoded(pair, [2], { a: tree, b: fromFloat32([1], 'f32', [1]) })).map(({ dtype, shape }) => [dtype, ...shape]),
  ).toEqual([
    ['f32', 2],
    ['f16', 2],
    ['f32', 1],
  ])
  expect(bitsPerWeight(tree)).toBe(48)
  expect(describeTree(tree)).toBe('pair{a: f32, b: f16}')
})

it('gives back what was written, with its info', async () => {
  const sink = memorySink()
  await sink.write('w', tree)
  const store = await sink.finish()
  expect(store.names()).toEqual(['w'])
  expect(store.info('w')).toEqual({ shape: [2], byteLength: 12, codec: 'pair' })
  expect(await store.read('w')).toBe(tree)
})

it('tells a name it does not hold', async () => {
  const store = memoryStore({ w: tree })
  await expect(store.read('v')).rejects.toThrow('No parameter is called "v".\nThe store holds 1, among them w.')
  expect(() => memoryStore({}).info('toString')).toThrow('The store is empty.')
})

it('stops reading when the signal says so', async () => {
  await expect(memoryStore({ w: tree }).read('w', { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
})

it('reads entries by name, and says better than NOT_FOUND why one is none', async () => {
  const refusal = (name: string) => (name === 'words' ? new CompressionError('UNSUPPORTED', 'Words.', 'Leave them.') : undefined)
  const read = async (entry: typeof tree, name: string) => (name === 'w' ? entry : tree.parts.b)
  const store = storeOver(new Map([['w', tree], ['x', tree]]), { info: infoOf, read, refusal }) // prettier-ignore
  expect(store.names()).toEqual(['w', 'x'])
  expect(await store.read('x')).toBe(tree.parts.b)
  expect(() => store.info('words')).toThrow('Words.\nLeave them.')
  expect(() => store.info('v')).toThrow('No parameter is called "v".')
  expect(store.close).toBeUndefined()
})

it('drops what was written when it is aborted', async () => {
  const sink = memorySink()
  await sink.write('w', tree)
  await sink.abort()
  expect((await sink.finish()).names()).toEqual([])
})

it('carries code, fields and cause in an error of two lines', () => {
  const cause = new Error('why')
  const error = new CompressionError('BAD_FILE', 'What was got.', 'What to do.', { at: 3 }, cause)
  expect(error.message.split('\n')).toEqual(['What was got.', 'What to do.'])
  expect(error).toMatchObject({ code: 'BAD_FILE', fields: { at: 3 }, cause })
  expect(hasCode(error, 'BAD_FILE')).toBe(true)
  expect(hasCode(new Error('x'), 'BAD_FILE')).toBe(false)
})

it('tells names with line breaks, null bytes and a thousand letters in two lines', () => {
  const { message } = notFound('a\nb', ['c\0d', 'e\u2028f', 'g'.repeat(1000)])
  expect(message).toBe(`No parameter is called "a\\nb".\nThe store holds 3, among them c\\u0000d, e f, ${'g'.repeat(200)}….`)
})
