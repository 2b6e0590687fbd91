import { loadNative } from './binding.js'
import { detectBlock } from './blocks.js'
import { createBufferPool } from './buffers.js'
import { createRecency } from './lru.js'
import { resolveSettings } from './settings.js'

describe('recency', () => {
  const made = (bounds: Parameters<typeof createRecency<number>>[0]) => {
    const released: number[] = []
    return { released, map: createRecency<number>(bounds, value => void released.push(value)) }
  }

  it('lets go of what is unused for longest', () => {
    const { released, map } = made({ entries: 2 })
    map.set('a', 1)
    map.set('b', 2)
    expect(map.get('a')).toBe(1)
    map.set('c', 3)
    expect(released).toEqual([2])
    expect(map.get('b')).toBeUndefined()
    map.resize(1)
    expect(released).toEqual([2, 1])
  })

  it('keeps within a weight, except for the newest entry', () => {
    const { released, map } = made({ entries: 9, weight: 10, weigh: value => value })
    map.set('a', 6)
    map.set('b', 5)
    expect(released).toEqual([6])
    map.set('c', 50)
    expect(released).toEqual([6, 5])
    expect(map.get('c')).toBe(50)
    map.delete('c')
    map.set('d', 4)
    map.set('e', 5)
    expect(map.size()).toBe(2)
    map.clear()
    expect(map.size()).toBe(0)
    expect(released).toEqual([6, 5, 50, 4, 5])
  })
})

describe('the buffer pool', () => {
  it('gives back what it was given, by type and length, and nothing foreign', () => {
    const pool = createBufferPool(1e6)
    const array = pool.take('float32', 300)
    pool.give(array)
    pool.give(new Float32Array(300))
    expect(pool.bytes()).toBe(1200)
    expect(pool.take('int32', 300)).not.toBe(array)
    expect(pool.take('float32', 300)).toBe(array)
    pool.forget(array)
    pool.give(array)
    expect(pool.bytes()).toBe(0)
  })

  it('keeps within its limit, oldest sizes first', () => {
    const pool = createBufferPool(3000)
    const [a, b] = [pool.take('float32', 300), pool.take('float32', 500)]
    pool.give(a)
    pool.give(b)
    expect(pool.bytes()).toBe(2000)
    pool.resize(100)
    expect(pool.bytes()).toBe(0)
  })
})

describe('settings', () => {
  it('take the threads from the environment, and refuse what is no number', () => {
    expect(resolveSettings({}, { TERSOR_THREADS: '3' }).threads).toBe(3)
    expect(resolveSettings({ threads: 1 }, { TERSOR_THREADS: '3' }).threads).toBe(1)
    expect(() => resolveSettings({}, { TERSOR_THREADS: 'all' })).toThrow(
      'TERSOR_THREADS must be a whole number above 0, got NaN.\nLeave it out',
    )
  })
})

describe('the block of channels', () => {
  it('is found out by looking, and is a size that ONNX Runtime uses', () => {
    const { native } = loadNative()
    expect([1, 8, 16]).toContain(detectBlock(native!))
  })

  it('is 1 where the layout is refused', () => {
    const { native } = loadNative()
    const refusing = { ...native!, open: () => { throw new Error('no such operator') } } // prettier-ignore
    expect(detectBlock(refusing)).toBe(1)
  })
})
