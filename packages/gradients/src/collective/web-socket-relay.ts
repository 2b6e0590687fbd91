import { CompressionError } from '@tersor/tensor'
import type { WebSocket, WebSocketServer } from 'ws'
import type { Notice } from './web-sockets.js'

export interface RelayOptions {
  /** Where it listens; a free one where absent. */
  readonly port?: number
  /** The address it listens at; 127.0.0.1 where absent: name another to be reached from other machines. */
  readonly host?: string
}

export interface Relay {
  /** For `webSockets`. */
  readonly url: string
  close(): Promise<void>
}

/** Workers of one name, by rank. */
interface Room {
  readonly size: number
  readonly sockets: Map<number, WebSocket>
}

const loadWs = async (): Promise<{ readonly WebSocketServer: typeof WebSocketServer }> => {
  try {
    const name = 'ws' // an optional peer: bundlers and type checks of those without it are left in peace
    return (await import(name)) as { readonly WebSocketServer: typeof WebSocketServer }
  } catch (cause) {
    throw new CompressionError('NO_ENGINE', 'webSocketRelay needs the package ws.', 'Install it: npm install ws.', {}, cause)
  }
}

const tell = (socket: WebSocket, notice: Notice): void => socket.send(JSON.stringify(notice))

/** Lets a worker in, and tells all when the last one is there; why not, where it cannot. */
const join = (rooms: Map<string, Room>, socket: WebSocket, { name, rank, size }: Extract<Notice, { what: 'join' }>): string | undefined => {
  const room = rooms.get(name) ?? { size, sockets: new Map<number, WebSocket>() }
  if (room.size !== size) return `"${name}" has ${room.size} workers, and not ${size}`
  if (room.sockets.has(rank)) return `"${name}" has a worker ${rank} already`
  rooms.set(name, room)
  room.sockets.set(rank, socket)
  socket.on('message', (data: Buffer, isBinary) => {
    if (!isBinary) return
    const to = room.sockets.get(data.readUInt32LE(0))
    data.writeUInt32LE(rank, 0)
    to?.send(data)
  })
  socket.on('close', () => {
    room.sockets.delete(rank)
    room.sockets.forEach(other => tell(other, { what: 'gone', rank }))
    if (room.sockets.size === 0) rooms.delete(name)
  })
  if (room.sockets.size === size) room.sockets.forEach(other => tell(other, { what: 'complete' }))
  return undefined
}

/**
 * A server that passes messages on between workers that `webSockets` connect to it, by the names of their trainings. It reads nothing of them and asks for no
 * password: let it listen where only workers reach it. Throws NO_ENGINE without the npm package ws.
 */
export const webSocketRelay = async ({ port = 0, host = '127.0.0.1' }: RelayOptions = {}): Promise<Relay> => {
  const { WebSocketServer } = await loadWs()
  const server = new WebSocketServer({ port, host, perMessageDeflate: false, maxPayload: 2 ** 31 - 1 })
  await new Promise<void>((resolve, reject) => server.once('listening', resolve).once('error', reject))
  const rooms = new Map<string, Room>()
  server.on('connection', socket => {
    socket.on('error', () => socket.terminate())
    socket.once('message', (data: Buffer) => {
      const notice = JSON.parse(data.toString()) as Notice
      const why = notice.what === 'join' ? join(rooms, socket, notice) : 'it did not say who it is'
      if (why === undefined) return
      tell(socket, { what: 'refused', why })
      socket.close()
    })
  })
  const { port: found } = server.address() as { readonly port: number }
  return {
    url: `ws://${host}:${found}`,
    close: () =>
      new Promise(resolve => {
        server.clients.forEach(client => client.terminate())
        server.close(() => resolve())
      }),
  }
}
