import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { channels } from './channels.js'
import { linkOver, sharedRings } from './shared-rings.js'
import { sockets } from './sockets.js'
import { tabs } from './tabs.js'
import { threads } from './threads.js'
import { throttled } from './throttled.js'
import { together } from './together.js'
import { webSocketRelay } from './web-socket-relay.js'
import { channelPair, open, TRANSPORTS } from './transports.fixture.js'
import { webSockets } from './web-sockets.js'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

let folder = ''
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'sockets-'))))
afterAll(() => rm(folder, { recursive: true, force: true }))

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

it('sends long messages in pieces, which wait while a channel holds a mebibyte', async () => {
  const [a, b] = channelPair()
  const [left, right] = await Promise.all([channels({ rank: 0, channels: [undefined, a] }), channels({ rank: 1, channels: [b, undefined] })]) // prettier-ignore
  const long = Uint8Array.from({ length: 3_000_000 }, (_, i) => i * 31)
  let most = 0
  const looking = setInterval(() => (most = Math.max(most, a.bufferedAmount)))
  const [, , got, short] = await Promise.all([left.send(1, long), left.send(1, bytes(7)), right.receive(0), right.receive(0)])
  clearInterval(looking)
  expect(Buffer.compare(got!, long)).toBe(0)
  expect([...short!]).toEqual([7])
  expect(most).toBeLessThan(2 ** 20 + 16_384 + 1)
  await left.close()
  await expect(right.receive(0)).rejects.toThrow('Worker 0 is gone: its channel was closed.')
})

it('passes messages that are longer than the memory between threads', async () => {
  const rings = sharedRings({ size: 2, capacity: 64 })
  const [a, b] = [linkOver(rings, 0), linkOver(rings, 1)]
  const long = Uint8Array.from({ length: 5000 }, (_, i) => i * 7)
  const [, got] = await Promise.all([a.send(1, long), b.receive(0)])
  expect(got).toEqual(long)
  await a.close()
  await expect(b.receive(0)).rejects.toThrow('Worker 0 is gone: its thread has ended.')
  await expect(b.send(0, long)).rejects.toThrow('Worker 0 is gone: its thread has ended.')
  await b.close()
})

it('says what a relay refuses, that it is not there, and who left it', async () => {
  const relay = await webSocketRelay()
  const join = (rank: number, size: number, more = {}) => webSockets({ url: relay.url, name: 'r', rank, size, open, ...more })
  const [first, second] = await Promise.all([join(0, 2), join(1, 2)])
  await expect(join(0, 2)).rejects.toThrow('refused worker 0: "r" has a worker 0 already.\nGive each worker its own rank')
  await expect(join(2, 3)).rejects.toThrow('refused worker 2: "r" has 2 workers, and not 3.')
  await expect(join(0, 2, { name: 'alone', timeout: 40 })).rejects.toThrow('Not all 2 workers of "alone" appeared at ws://127.0.0.1')
  await first.close()
  await expect(second.receive(0)).rejects.toThrow('Worker 0 is gone: it left the relay.')
  await relay.close()
  await expect(second.receive(0)).rejects.toMatchObject({ code: 'PEER_LOST' })
  await expect(join(0, 1)).rejects.toThrow('The relay at ' + relay.url + ' does not answer.\nStart it first: webSocketRelay({ port }).')
})

it('refuses places that are none in memory, relays and channels', async () => {
  expect(() => sharedRings({ size: 0 })).toThrow('sharedRings got a size of 0.\nPass a positive integer')
  expect(() => sharedRings({ size: 1, capacity: 100 })).toThrow('sharedRings got a capacity of 100.\nPass a power of two')
  expect(() => linkOver(sharedRings({ size: 1 }), 1)).toThrow('linkOver got rank 1 of 1.\nPass a rank from 0 on')
  expect(() => threads()).toThrow('This thread was not started by launchThreads.\nStart the threads')
  await expect(webSockets({ url: 'ws://x', name: 'x', rank: 1, size: 1 })).rejects.toThrow('webSockets got rank 1 of 1.\nPass a rank')
  await expect(channels({ rank: 0, channels: [undefined, undefined] })).rejects.toThrow('channels got rank 0 and no channel to 1.\nPass a channel') // prettier-ignore
  await expect(channels({ rank: 0, channels: [undefined], piece: 70_000 })).rejects.toThrow('channels got pieces of 70000 bytes.\nPass an')
  const [closed, never] = [
    { ...channelPair()[0], readyState: 'closed' },
    { ...channelPair()[0], readyState: 'connecting' },
  ]
  await expect(channels({ rank: 1, channels: [closed, undefined] })).rejects.toThrow('Worker 0 is gone: its channel was closed.')
  await expect(channels({ rank: 1, channels: [never, undefined], timeout: 20 })).rejects.toThrow('The channel to worker 0 did not open within 20 ms.') // prettier-ignore
})
