import { fromFloat32, memoryStore, type Parameter, type ParameterStore } from '@tersor/tensor'
import type { Scratch } from './scratch.js'
import { stageSink } from './stage-sink.js'

const changed = (name: string): ReadonlyMap<string, Parameter> => new Map([[name, fromFloat32([1], 'f32', [1])]])

/** A place whose saving is let go by hand. */
const slowScratch = () => {
  const saving: { readonly unit: string; readonly end: (error?: Error) => void }[] = []
  const save = (unit: string, parameters: ReadonlyMap<string, Parameter>): Promise<ParameterStore> =>
    new Promise((resolve, reject) => {
      saving.push({ unit, end: error => (error ? reject(error) : resolve(memoryStore(Object.fromEntries(parameters)))) })
    })
  return { saving, scratch: { save, find: async () => undefined } as Partial<Scratch> as Scratch }
}

const settles = (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([promise.then(() => true), new Promise<boolean>(resolve => setTimeout(resolve, 5, false))])

it('gives back while a stage is saved, and holds the next one until that is done', async () => {
  const { saving, scratch } = slowScratch()
  const sink = stageSink(scratch, '0')
  expect(await settles(sink.endStage(changed('a'), []))).toBe(true)
  const second = sink.endStage(changed('b'), [])
  expect(await settles(second)).toBe(false)
  expect(saving.map(({ unit }) => unit)).toEqual(['0-0'])
  saving[0].end()
  await second
  const finished = sink.finish(memoryStore({}), ['a', 'b'])
  expect(await settles(finished)).toBe(false)
  saving[1].end()
  expect((await (await finished).read('b')).shape).toEqual([1])
  expect(saving.map(({ unit }) => unit)).toEqual(['0-0', '0-1'])
})

it('throws what kept a stage from being saved with the next call, and takes back what is being saved', async () => {
  const { saving, scratch } = slowScratch()
  const sink = stageSink(scratch, '0')
  await sink.endStage(changed('a'), [])
  saving[0].end(new Error('full'))
  await expect(sink.endStage(changed('b'), [])).rejects.toThrow('full')
  await expect(sink.finish(memoryStore({}), [])).rejects.toThrow('full')
  await sink.abort()

  const other = slowScratch()
  const stopped = stageSink(other.scratch, '1')
  await stopped.endStage(changed('a'), [])
  const abort = stopped.abort()
  expect(await settles(abort)).toBe(false)
  other.saving[0].end()
  await abort
})
