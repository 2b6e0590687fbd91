/** The transports that run in one process, for the suite that they share. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket as NodeSocket } from 'ws'
import { channels, type DataChannel } from './channels.js'
import { collectiveOver, type Collective } from './collective.js'
import { linkOver, sharedRings } from './shared-rings.js'
import { sockets } from './sockets.js'
import { tabs } from './tabs.js'
import { together } from './together.js'
import { webSocketRelay } from './web-socket-relay.js'
import { webSockets } from './web-sockets.js'

let names = 0

export const open = (url: string): WebSocket => new NodeSocket(url) as unknown as WebSocket

/** Two ends of something like a data channel: ordered, takes what fits in 64 KiB, and sends some of what waits in each turn. */
export const channelPair = (): readonly [DataChannel, DataChannel] => {
  const end = () => {
    const waiting: Uint8Array[] = []
    const channel = {
      ...{ readyState: 'open', bufferedAmount: 0, other: undefined as DataChannel | undefined },
      ...{ onmessage: undefined as DataChannel['onmessage'], onclose: undefined as DataChannel['onclose'] },
      send: (data: Uint8Array) => {
        if (data.byteLength >= 65_536) throw new Error('This is more than a channel takes.')
        waiting.push(data)
        channel.bufferedAmount += data.byteLength
        setTimeout(() => {
          const next = waiting.shift()!
          channel.bufferedAmount -= next.byteLength
          channel.other?.onmessage?.({ data: next.slice().buffer })
        })
      },
      close: () => {
        channel.readyState = 'closed'
        channel.other?.onclose?.({})
      },
    }
    return channel
  }
  const [a, b] = [end(), end()]
  a.other = b
  b.other = a
  return [a, b]
}

/** A channel between each two of so many. */
const channelsBetween = (size: number): readonly (readonly (DataChannel | undefined)[])[] => {
  const all: (DataChannel | undefined)[][] = Array.from({ length: size }, () => Array.from({ length: size }))
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) [all[i][j], all[j][i]] = channelPair()
  return all
}

/** Each transport runs a function on so many workers of this process. */
export const TRANSPORTS: Readonly<Record<string, (size: number, run: (peers: Collective) => Promise<unknown>) => Promise<unknown>>> = {
  'one process': together,
  sockets: async (size, run) => {
    const at = await mkdtemp(join(tmpdir(), 'sockets-'))
    const addresses = Array.from({ length: size }, (_, i) => join(at, `${i}`))
    await Promise.all(addresses.map(async (_, rank) => {
      const peers = collectiveOver(await sockets({ rank, addresses }))
      await run(peers)
      await peers.close()
    })) // prettier-ignore
    await rm(at, { recursive: true, force: true })
  },
  'shared memory': async (size, run) => {
    const rings = sharedRings({ size, capacity: 256 })
    await Promise.all(Array.from({ length: size }, async (_, rank) => {
      const peers = collectiveOver(linkOver(rings, rank))
      await run(peers)
      await peers.close()
    })) // prettier-ignore
  },
  'web sockets': async (size, run) => {
    const relay = await webSocketRelay()
    await Promise.all(Array.from({ length: size }, async (_, rank) => {
      const peers = collectiveOver(await webSockets({ url: relay.url, name: 'test', rank, size, open }))
      await run(peers)
      await peers.close()
    })) // prettier-ignore
    await relay.close()
  },
  'data channels': async (size, run) => {
    await Promise.all(channelsBetween(size).map(async (own, rank) => {
      const peers = collectiveOver(await channels({ rank, channels: own }))
      await run(peers)
      await peers.close()
    })) // prettier-ignore
  },
  tabs: async (size, run) => {
    const name = `test ${names++}`
    await Promise.all(Array.from({ length: size }, async (_, rank) => {
      const peers = await tabs({ name, rank, size })
      await run(peers)
      await peers.close()
    })) // prettier-ignore
  },
}
