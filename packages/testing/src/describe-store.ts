import { byteLength, type ParameterStore } from '@tersor/tensor'
import { bytesOfTree } from './trees.js'

/** The promises of everything that parameters are read from; call it once a format. */
export const describeStore = (name: string, open: () => Promise<ParameterStore> | ParameterStore): void => {
  describe(`${name} as a store`, () => {
    let store: ParameterStore
    beforeAll(async () => void (store = await open()))
    afterAll(() => store?.close?.())

    it('names what it holds, each once and in one order', () => {
      const names = store.names()
      expect(names.length).toBeGreaterThan(0)
      expect(new Set(names).size).toBe(names.length)
      expect(store.names()).toEqual(names)
    })

    it('says beforehand what is read', async () => {
      for (const each of store.names()) {
        const [info, parameter] = [store.info(each), await store.read(each)]
        const form = parameter.kind === 'dense' ? { dtype: parameter.dtype } : { codec: parameter.codec.name }
        expect([each, info]).toEqual([each, expect.objectContaining({ shape: [...parameter.shape], ...form })])
        // a file may hold zeros or an order that its tree can do without
        if (parameter.kind === 'dense') expect([each, info.byteLength]).toEqual([each, byteLength(parameter)])
        else expect(info.byteLength).toBeGreaterThanOrEqual(byteLength(parameter))
      }
    })

    it('gives the same bytes again, also side by side', async () => {
      const names = store.names()
      const read = async (each: string): Promise<string> => bytesOfTree(await store.read(each))
      const first: string[] = []
      for (const each of names) first.push(await read(each))
      expect(await Promise.all(names.map(read))).toEqual(first)
    })

    it('tells a name that it lacks', async () => {
      const lacking = { code: 'NOT_FOUND', message: expect.stringContaining('no-such-parameter') }
      await expect((async () => store.info('no-such-parameter'))()).rejects.toMatchObject(lacking)
      await expect(store.read('no-such-parameter')).rejects.toMatchObject(lacking)
    })

    it('does not read for a signal that is aborted', async () => {
      const reason = new Error('stopped by the test')
      await expect(store.read(store.names()[0], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    })
  })
}
