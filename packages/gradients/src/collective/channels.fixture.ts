/** Three workers of one process over real data channels of WebRTC, on the loopback: sums, gathers, and a message of a megabyte. */
import { RTCPeerConnection } from 'werift'
import { channels, type DataChannel } from './channels.js'
import { collectiveOver } from './collective.js'

const SIZE = 3
const connections: RTCPeerConnection[] = []

const channelPair = async (): Promise<readonly [DataChannel, DataChannel]> => {
  const [a, b] = [0, 1].map(() => new RTCPeerConnection({ iceServers: [], iceAdditionalHostAddresses: ['127.0.0.1'] }))
  connections.push(a, b)
  const there = new Promise<DataChannel>(resolve => b.onDataChannel.subscribe(resolve))
  const here = a.createDataChannel('tersor')
  await a.setLocalDescription(await a.createOffer())
  await b.setRemoteDescription(a.localDescription!)
  await b.setLocalDescription(await b.createAnswer())
  await a.setRemoteDescription(b.localDescription!)
  return [here, await there]
}

const all: (DataChannel | undefined)[][] = Array.from({ length: SIZE }, () => Array.from({ length: SIZE }))
for (let i = 0; i < SIZE; i++) for (let j = 0; j < i; j++) [all[i][j], all[j][i]] = await channelPair()

const found = await Promise.all(
  all.map(async (own, rank) => {
    const peers = collectiveOver(await channels({ rank, channels: own }))
    const values = new Float32Array(1000).fill(rank + 1)
    await peers.sum(values)
    const lengths = (await peers.gather(new Uint8Array(rank * 500_000).fill(rank))).map(bytes => bytes!.byteLength)
    return { rank, sum: values[999], lengths, sent: peers.traffic.sent }
  }),
)
found.forEach(line => console.log(JSON.stringify(line)))
await Promise.all(connections.map(connection => connection.close()))
process.exit(0)
