import * as tf from '@tensorflow/tfjs-core'
import { shrink, switchedOff, unitsAlong, type Block, type Change, type Coupling, type Model } from '@tersor/core'
import { memorySink, type Dense } from '@tersor/tensor'
import { outputOf } from './trees.js'

/** The largest difference of two lists of numbers; NaN and lists of other lengths are no small one. */
const gap = (a: Float32Array, b: Float32Array): number => {
  if (a.length !== b.length) return Infinity
  let most = 0
  for (let i = 0; i < a.length; i++) most = Math.max(most, Number.isFinite(a[i] - b[i]) ? Math.abs(a[i] - b[i]) : Infinity)
  return most
}

const backwards = (from: number, count: number): readonly number[] => Array.from({ length: count }, (_, i) => from + count - 1 - i)

/** Of each coupling some units in another order, the first ones gone: `share` of those in a group, one at least. */
const some = (couplings: readonly Coupling[], share: number): Change => ({
  keep: new Map(
    couplings.map(({ name, units, perGroup = units, least = 1 }) => {
      const left = Math.max(least, 1, Math.round(share * perGroup))
      const groups = Array.from({ length: units / perGroup }, (_, group) => backwards((group + 1) * perGroup - left, left))
      return [name, groups.flat()] as const
    }),
  ),
})

export interface DescribeCouplingsOptions {
  /** The network, whose norms are no ones and biases no zeros: whatever is forgotten would show nowhere then. */
  readonly make: () => Model | Promise<Model>
  /** Its inputs; the suite frees them. */
  readonly input: () => tf.Tensor
  /** Of outputs; 1e-5 where absent. */
  readonly tolerance?: number
}

/**
 * What a network promises that says how it shrinks: its couplings name axes that there are; another order of units changes nothing; the small
 * network gives what the large one gives with those units switched off, blocks left out and weights used twice; and what makes no sense is refused before anything is
 * written. Set the engine before.
 */
export const describeCouplings = (name: string, { make, input, tolerance = 1e-5 }: DescribeCouplingsOptions): void => {
  describe(`couplings of ${name}`, () => {
    let model: Promise<Model> | undefined
    const made = (): Promise<Model> => (model ??= Promise.resolve(make())) // what shrinks is another network each time
    const outputs = async (model: Model): Promise<Float32Array> => {
      const x = input()
      try {
        return await outputOf(model, x)
      } finally {
        x.dispose()
      }
    }
    const apart = async (model: Model, change: Change): Promise<number> =>
      gap(await outputs(await shrink(model, change)), await outputs(switchedOff(model, change)))
    const refusal = async (model: Model, change: Change): Promise<readonly unknown[]> => {
      let opened = 0
      const sink = () => (opened++, memorySink())
      const error = (await shrink(model, change, { sink }).catch((thrown: unknown) => thrown)) as Error & { code?: string }
      return [error.code, error.message?.split('\n').length, opened]
    }

    it('stand on axes that there are, each unit on every one', async () => {
      const { params, couplings = [] } = await made()
      const wrong = couplings.flatMap(({ name: coupling, units, members }) =>
        members.flatMap(member => {
          const { shape } = params.info(member.parameter)
          const along = unitsAlong(member, units, shape[member.axis] ?? 0)
          const seen = new Set(along.filter(unit => unit >= 0))
          const { first = 0, count = units, size = 1, repeats = 1 } = member
          const isWhole = seen.size === count && along.filter(unit => unit === first).length === size * repeats
          return isWhole ? [] : [`${coupling} on axis ${member.axis} of ${member.parameter} [${shape.join(', ')}]`]
        }),
      )
      expect(couplings.length).toBeGreaterThan(0)
      expect(wrong).toEqual([])
      expect(new Set(couplings.map(coupling => coupling.name)).size).toBe(couplings.length)
    })

    it('come in another order without changing anything', async () => {
      const model = await made()
      const sorted = await shrink(model, some(model.couplings!.filter(({ exposed }) => !exposed), 1)) // prettier-ignore
      expect(gap(await outputs(sorted), await outputs(model))).toBeLessThan(tolerance)
    })

    it('leave what the large network gives with the others switched off, kind by kind', async () => {
      const model = await made()
      const before = await outputs(model)
      for (const kind of new Set(model.couplings!.map(coupling => coupling.kind))) {
        const couplings = model.couplings!.filter(coupling => coupling.kind === kind && !coupling.centred && !coupling.exposed)
        if (couplings.length === 0) continue
        const change = some(couplings, 0.5)
        const off = await outputs(switchedOff(model, change))
        expect([kind, gap(await outputs(await shrink(model, change)), off) < tolerance]).toEqual([kind, true])
        expect([kind, gap(off, before) > 100 * tolerance]).toEqual([kind, true])
      }
    })

    it('and all at once', async () => {
      const model = await made()
      expect(await apart(model, some(model.couplings!.filter(({ centred, exposed }) => !centred && !exposed), 0.5))).toBeLessThan(tolerance) // prettier-ignore
    })

    it('shrink where no mask says what they leave, which is refused, and where they are what comes out', async () => {
      const model = await made()
      for (const coupling of model.couplings!.filter(({ centred, exposed }) => centred || exposed)) {
        const change = some([coupling], 0.5)
        if (coupling.centred) expect(() => switchedOff(model, change)).toThrow(expect.objectContaining({ code: 'COMPOSITION' }))
        const [small, large] = [await outputs(await shrink(model, change)), await outputs(model)]
        const share = coupling.exposed ? change.keep!.get(coupling.name)!.length / coupling.units : 1
        expect([small.length / large.length, small.every(Number.isFinite)]).toEqual([share, true])
      }
    })

    it('belong to blocks that can be left out', async () => {
      const model = await made()
      for (const { name: block, silencedBy } of model.blocks ?? []) {
        const change: Change = { without: new Set([block]) }
        if (silencedBy) expect([block, (await apart(model, change)) < tolerance]).toEqual([block, true])
        else expect(() => switchedOff(model, change)).toThrow(expect.objectContaining({ code: 'COMPOSITION' }))
      }
    })

    it('belong to blocks that use the weights of others, with norms of their own', async () => {
      const model = await made()
      const shapesOf = ({ parameters }: Block): string => JSON.stringify(parameters.map(each => model.params.info(each).shape))
      for (const owner of model.blocks ?? []) {
        const alike = model.blocks!.filter(each => each !== owner && each.kind === owner.kind && shapesOf(each) === shapesOf(owner))
        for (const user of alike.slice(0, 1)) {
          const change: Change = { shares: new Map([[user.name, owner.name]]) }
          const small = await shrink(model, change)
          expect([user.name, gap(await outputs(small), await outputs(switchedOff(model, change))) < tolerance]).toEqual([user.name, true])
          const bytes = async ({ params }: Model, parameter: string) => ((await params.read(parameter)) as Dense).bytes
          for (const [i, parameter] of user.parameters.entries()) {
            const from = user.norms?.includes(parameter) ? parameter : owner.parameters[i]
            expect(await bytes(small, parameter)).toEqual(await bytes(model, from))
          }
        }
      }
    })

    it('are refused before anything is written, where a change names what there is not or leaves nothing', async () => {
      const model = await made()
      const [{ name: first, units }] = model.couplings!
      const keep = (coupling: string, kept: readonly number[]): Change => ({ keep: new Map([[coupling, kept]]) })
      const grouped = model.couplings!.find(({ perGroup = 1 }) => perGroup > 1)
      const bad: readonly Change[] = [
        ...[keep('nothing', [0]), keep(first, [units]), keep(first, [-1]), keep(first, [0.5]), keep(first, [0, 0]), keep(first, [])],
        ...(grouped
          ? [
              keep(
                grouped.name,
                Array.from({ length: grouped.units - 1 }, (_, unit) => unit),
              ),
            ]
          : []),
        { without: new Set(['nothing']) },
        { shares: new Map([['nothing', 'nothing']]) },
        ...(model.blocks ?? []).slice(0, 1).map(block => ({ shares: new Map([[block.name, block.name]]) })),
      ]
      for (const change of bad) expect(await refusal(model, change)).toEqual(['BAD_OPTION', 2, 0])
    })

    it('leave no tensor, and nothing written after an abort', async () => {
      const model = await made()
      const before = tf.memory().numTensors
      await shrink(model, some(model.couplings!, 0.5))
      const stop = new AbortController()
      let aborted = 0
      const sink = () => {
        const { write, finish, abort } = memorySink()
        return { finish, write: async (...each: Parameters<typeof write>) => (stop.abort(new Error('stopped')), write(...each)), abort: async () => (aborted++, abort()) } // prettier-ignore
      }
      await expect(shrink(model, some(model.couplings!, 0.5), { sink, signal: stop.signal })).rejects.toThrow('stopped')
      expect([tf.memory().numTensors - before, aborted]).toEqual([0, 1])
    })
  })
}
