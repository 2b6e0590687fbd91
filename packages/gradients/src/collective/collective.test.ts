import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collectiveOver, type Collective } from './collective.js'
import { sockets } from './sockets.js'
import { tabs } from './tabs.js'
import { throttled } from './throttled.js'
import { together } from './together.js'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

let folder = ''
let channels = 0
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'sockets-'))))
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Each transport runs a function on so many workers of this process. */
const TRANSPORTS: Readonly<Record<string, (size: number, run: (peers: Collective) => Promise<unknown>) => Promise<unknown>>> = {
  'one process': together,
  sockets: async (size, run) => {
    const at = await mkdtemp(join(folder, 's'))
    const addresses = Array.from({ length: size }, (_, i) => join(at, `${i}`))
    await Promise.all(addresses.map(async (_, rank) => {
      const peers = collectiveOver(await sockets({ rank, addresses }))
      await run(peers)
      await peers.close()
    })) // prettier-ignore
  },
  tabs: async (size, run) => {
    const name = `test ${channels++}`
    await Promise.all(Array.from({ length: size }, async (_, rank) => {
      const peers = await tabs({ name, rank, size })
      await run(peers)
      await peers.close()
    })) // prettier-ignore
  },
}

describe.each(Object.keys(TRANSPORTS))('workers over %s', transport => {
  it.each([1, 2, 3, 4])('sum, gather, spread and broadcast among %d', async size => {
    const sums: Float32Array[] = []
    await TRANSPORTS[transport](size, async peers => {
      const values = Float32Array.from({ length: 7 }, (_, i) => 10 ** peers.rank * (i + 1))
      await peers.sum(values)
      sums.push(values)
      const all = await peers.gather(bytes(...Array.from({ length: peers.rank }, () => peers.rank)))
      expect(all.map(each => [...each!])).toEqual(Array.from({ length: size }, (_, r) => Array.from({ length: r }, () => r)))
      const spread = await peers.spread(Array.from({ length: size }, (_, to) => bytes(peers.rank, to)))
      expect(spread.map(each => [...each])).toEqual(Array.from({ length: size }, (_, from) => [from, peers.rank]))
      expect([...(await peers.broadcast(peers.rank === size - 1 ? bytes(9, 8) : undefined, size - 1))]).toEqual([9, 8])
    })
    const factor = [1, 11, 111, 1111][size - 1]
    for (const values of sums) expect([...values]).toEqual([1, 2, 3, 4, 5, 6, 7].map(i => i * factor))
    expect(sums).toHaveLength(size)
  })

  it('counts bytes where they leave: 2 (N - 1) / N of a sum', async () => {
    await TRANSPORTS[transport](4, async peers => {
      await peers.sum(new Float32Array(100))
      expect(peers.traffic).toEqual({ sent: 600, received: 600, messages: 6 }) // 2 · 3 parts of 25 numbers
      await peers.gather(bytes(1, 2, 3))
      expect(peers.traffic).toEqual({ sent: 609, received: 609, messages: 9 })
    })
  })
})

it('adds in the same order on all workers, and in every run', async () => {
  const run = () =>
    together(3, async peers => {
      const values = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i + 100 * peers.rank) / 3)
      await peers.sum(values)
      return [...values]
    })
  const [first, second] = [await run(), await run()]
  expect(first[1]).toEqual(first[0])
  expect(second).toEqual(first)
})

it('does not wait for a worker beyond the signal, and drops what it gives later', async () => {
  const got = await together(3, async peers => {
    if (peers.rank === 2) await new Promise(resolve => setTimeout(resolve, 60))
    const first = await peers.gather(bytes(peers.rank), AbortSignal.timeout(peers.rank === 2 ? 1000 : 20))
    if (peers.rank < 2) await new Promise(resolve => setTimeout(resolve, 80))
    const second = await peers.gather(bytes(10 + peers.rank))
    return [first.map(each => each?.[0]), second.map(each => each?.[0])]
  })
  expect(got[0]).toEqual([[0, 1, undefined], [10, 11, 12]]) // prettier-ignore
  expect(got[2]).toEqual([[0, 1, 2], [10, 11, 12]]) // prettier-ignore
})

it('says which worker vanished, to those that wait for it', async () => {
  const outcomes: string[] = []
  await together(3, async peers => {
    if (peers.rank === 1) return
    await peers.sum(new Float32Array(3)).catch((error: Error) => outcomes.push(`${peers.rank}: ${error.message}`))
  })
  expect(outcomes).toContain(
    '2: Worker 1 is gone: it has ended.\nStart the workers again; a training with a checkpoint goes on from there.',
  )
})

it('throws the error of the worker that failed, not of those that waited', async () => {
  const failing = together(2, async peers => {
    if (peers.rank === 0) throw new Error('this one')
    await peers.sum(new Float32Array(1))
  })
  await expect(failing).rejects.toThrow('this one')
})

it('refuses sums of other lengths', async () => {
  const failing = together(2, peers => peers.sum(new Float32Array(peers.rank === 0 ? 2 : 8)))
  await expect(failing).rejects.toMatchObject({ code: 'PEERS_DIFFER' })
})

it('is as slow as it is told: 10,000 bytes at 1 Mbit/s take 80 ms', async () => {
  const started = performance.now()
  await together(2, peers => peers.gather(new Uint8Array(10_000)), link => throttled(link, { bitsPerSecond: 1e6 })) // prettier-ignore
  expect(performance.now() - started).toBeGreaterThan(75)
})

it('refuses what it cannot do', async () => {
  await expect(together(0, async () => {})).rejects.toThrow('together got a size of 0.\nPass a positive integer')
  await expect(together(2, peers => peers.spread([bytes(1)]))).rejects.toThrow('spread got 1 parts for 2 workers.\nPass one for each')
  expect(() => throttled({} as never, { bitsPerSecond: 0 })).toThrow('throttled got 0 bits a second')
  await expect(sockets({ rank: 2, addresses: ['a', 'b'] })).rejects.toThrow('sockets got rank 2 of 2 addresses.\nPass a rank from 0 on')
  await expect(tabs({ name: 'x', rank: 0, size: 0 })).rejects.toThrow('tabs got rank 0 of 0.\nPass a rank from 0 on')
})

it('says which worker did not appear', async () => {
  const addresses = [join(folder, 'one'), join(folder, 'two')]
  await expect(sockets({ rank: 0, addresses, timeout: 40 })).rejects.toThrow('Worker 1 did not appear within 40 ms.\nStart all workers')
  await expect(sockets({ rank: 1, addresses, timeout: 40 })).rejects.toThrow('Worker 0 does not answer at')
  await expect(tabs({ name: 'alone', rank: 0, size: 2, timeout: 40 })).rejects.toThrow('Tab 1 of "alone" did not appear within 40 ms.')
})
