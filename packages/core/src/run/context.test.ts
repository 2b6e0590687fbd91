import { picoModel } from '@tersor/testing'
import { contextOf, type Run } from './context.js'
import { createRng } from './rng.js'

const runOf = (): Run => ({
  ...{ rng: createRng(7), signal: new AbortController().signal, emit: () => {}, activationBytes: 0 },
  ...{ reference: { model: picoModel() }, opened: new Set() },
})

it('gives each step random numbers of its own, by its place and name in every pipeline around it', () => {
  const context = contextOf(runOf())
  const first = createRng(7).fork('0:rtn').uniform()
  expect(context.within(0, 'rtn').rng.uniform()).toBe(first)
  expect(context.within(1, 'rtn').rng.uniform()).not.toBe(first)
  expect(context.within(2, 'pipeline').within(0, 'rtn').rng.uniform()).toBe(createRng(7).fork('2:pipeline').fork('0:rtn').uniform())
})

it('names the place of a step in the working place: the first of the third is 2.0', async () => {
  const created: string[] = []
  const scratch = {
    create: (unit: string) => (
      created.push(unit),
      { write: async () => {}, finish: async () => picoModel().params, abort: async () => {} }
    ),
  }
  const context = contextOf({ ...runOf(), scratch: scratch as Partial<Run['scratch']> as NonNullable<Run['scratch']> })
  context.sink()
  context.within(2, 'pipeline').sink()
  context.within(2, 'pipeline').within(0, 'rtn').sink()
  expect(created).toEqual(['', '2', '2.0'])
})

it('moves what later steps compare with behind an exact step alone, and notes every result to be closed', () => {
  const run = runOf()
  const source = run.reference.model
  const context = contextOf(run)
  const [rounded, turned] = [picoModel(), picoModel()]
  context.made({}, rounded)
  expect(context.within(1, 'eora').source).toBe(source)
  context.made({ exact: true }, turned)
  expect(context.within(2, 'eora').source).toBe(turned)
  expect([...run.opened]).toEqual([rounded.params, turned.params])
})
