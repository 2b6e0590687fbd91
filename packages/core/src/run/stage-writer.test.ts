import { fromFloat32, memoryStore, type Parameter } from '@tersor/tensor'
import type { Model, Stage } from '../model/model.js'
import type { Context } from '../step/method.js'
import { memoryStageSink, type StageSink } from './stage-sink.js'
import { stageWriter, type StageWriterOptions } from './stage-writer.js'

const number = (value: number): Parameter => fromFloat32([value], 'f32', [1])
const stage = (name: string, ...parameters: string[]): Stage => ({ name, parameters, sites: [], run: x => x })

/** Two stages that both read `shared`. */
const FIRST = stage('first', 'a', 'shared')
const SECOND = stage('second', 'shared', 'b')
const model: Model = { params: memoryStore({ a: number(1), b: number(2), shared: number(3) }), stages: [FIRST, SECOND] }

const writerOf = (options: StageWriterOptions = {}, sink: StageSink = memoryStageSink(), signal = new AbortController().signal) =>
  stageWriter(model, { signal, staged: () => sink } as Partial<Context> as Context, options)

it('writes a shared parameter with the first stage that reads it, or with its owner', async () => {
  const writer = writerOf()
  expect(writer.ownedBy(FIRST)).toEqual(['a', 'shared'])
  await writer.write(FIRST, new Map(), [])
  expect(writer.ownedBy(SECOND)).toEqual(['b'])
  const owned = writerOf({ owners: new Map([['shared', SECOND]]) })
  expect([owned.ownedBy(FIRST), owned.ownedBy(SECOND)]).toEqual([['a'], ['shared', 'b']])
})

it('gives what was changed in the place of what stood, new names behind the old, and not what it is without', async () => {
  const writer = writerOf({ without: new Set(['b']) })
  await writer.write(FIRST, new Map([['a', number(10)], ['new', number(11)]]), []) // prettier-ignore
  expect(['a', 'b', 'new', 'other'].map(writer.has)).toEqual([true, false, true, false])
  const store = await writer.finish()
  expect(store.names()).toEqual(['a', 'shared', 'new'])
  expect(await Promise.all(store.names().map(name => store.read(name)))).toEqual([10, 3, 11].map(number))
})

it('refuses to change what an earlier stage has written', async () => {
  const writer = writerOf()
  await writer.write(FIRST, new Map(), [])
  await expect(writer.write(SECOND, new Map([['shared', number(4)]]), [])).rejects.toThrow(
    '"shared" was written with an earlier stage and is changed now.',
  )
})

it('takes what an earlier run finished, and goes on behind it', async () => {
  const found = [{ params: memoryStore({ shared: number(30) }), events: [] }]
  const writer = writerOf({}, { ...memoryStageSink(), resume: async () => found.shift() })
  const units = await writer.finished(model.stages)
  expect(units.map(({ params }) => params.names())).toEqual([['shared']])
  expect(writer.ownedBy(SECOND)).toEqual(['b'])
})

it('writes nothing more once it is aborted', async () => {
  const controller = new AbortController()
  const written: string[] = []
  const sink = { ...memoryStageSink(), endStage: async (changed: ReadonlyMap<string, Parameter>) => void written.push(...changed.keys()) }
  const writer = writerOf({}, sink, controller.signal)
  controller.abort(new Error('enough'))
  await expect(writer.write(FIRST, new Map([['a', number(1)]]), [])).rejects.toThrow('enough')
  expect(written).toEqual([])
})
