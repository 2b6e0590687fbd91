import { copyStore } from './copy-store.js'
import { fromFloat32 } from './dense.js'
import { outlineOf, type Outline } from './outline.js'
import { memorySink, memoryStore, type ParameterStore } from './store.js'

const ones = (length: number) => fromFloat32(new Float32Array(length).fill(1), 'f32', [length])
const NAMES = ['a', 'b', 'c', 'd']
const store = memoryStore(Object.fromEntries(NAMES.map(name => [name, ones(2)])))

describe('copyStore', () => {
  it('reads one parameter ahead and no more', async () => {
    const begun: string[] = []
    const ahead: string[][] = []
    const reading: ParameterStore = { ...store, read: (name, options) => (begun.push(name), store.read(name, options)) }
    const sink = { ...memorySink(), write: async () => void ahead.push([...begun]) }
    await copyStore(reading, sink)
    expect(ahead).toEqual([['a', 'b'], ['a', 'b', 'c'], NAMES, NAMES])
  })

  it('hands outlines to a sink that copies, and reads only the rest and what is changed', async () => {
    const read: string[] = []
    const outlined: ParameterStore = {
      ...store,
      read: (name, options) => (read.push(name), store.read(name, options)),
      outline: name => (name === 'c' ? undefined : outlineOf(ones(2))),
    }
    const copied: string[] = []
    const sink = () => ({ ...memorySink(), copy: async (name: string, _outline: Outline) => void copied.push(name) })
    await copyStore(outlined, sink())
    expect([copied, read]).toEqual([['a', 'b', 'd'], ['c']])
    await copyStore(outlined, sink(), { change: (_name, parameter) => parameter })
    expect([copied, read]).toEqual([
      ['a', 'b', 'd'],
      ['c', ...NAMES],
    ])
  })

  it('aborts the sink when reading ahead has ended, and throws what went wrong', async () => {
    const events: string[] = []
    const slow: ParameterStore = {
      ...store,
      read: async name => {
        await new Promise(resolve => setTimeout(resolve, name === 'b' ? 20 : 0))
        events.push(`read ${name}`)
        return ones(2)
      },
    }
    const failing = {
      ...memorySink(),
      write: () => Promise.reject(new Error('full')),
      abort: async () => void events.push('abort'),
    }
    await expect(copyStore(slow, failing)).rejects.toThrow('full')
    expect(events).toEqual(['read a', 'read b', 'abort'])
  })
})
