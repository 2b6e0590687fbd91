import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A hub on loopback that serves what a test gives it, and misbehaves as it is told. */
export interface SmallHub {
  readonly url: string
  /** Requests that came, as "GET /path", with the range where one was asked for. */
  readonly asked: string[]
  readonly tokens: Set<string | undefined>
  /** Files that were pushed. */
  readonly pushed: Map<string, string>
  /** Answers to give before all others, for paths that match. */
  readonly trouble: { match: RegExp; times: number; answer: (response: ServerResponse, body: Buffer) => void }[]
  close(): Promise<void>
}

export const COMMIT = 'c0ffee'.padEnd(40, '0')

const sha1 = (body: Buffer): string => createHash('sha1').update(`blob ${body.length}\0`).update(body).digest('hex')
const sha256 = (body: Buffer): string => createHash('sha256').update(body).digest('hex')

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString()
}

/** Files by repository: "models/org/name" or "datasets/org/name". */
export const smallHub = async (repositories: Readonly<Record<string, Readonly<Record<string, Buffer>>>>): Promise<SmallHub> => {
  const [asked, tokens, pushed, trouble]: [string[], Set<string | undefined>, Map<string, string>, SmallHub['trouble']] = [
    [],
    new Set(),
    new Map(),
    [],
  ]
  const json = (response: ServerResponse, value: unknown, status = 200): void => {
    response.writeHead(status, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify(value))
  }
  const read = (path: string, response: ServerResponse, range: string | undefined): void => {
    const [, kind, name, what, rest = ''] = /^\/api\/(models|datasets)\/([^/]+\/[^/]+)\/(revision|tree)\/([^?]*)/.exec(path) ?? []
    const files = repositories[`${kind}/${name}`]
    if (what === 'revision')
      return files && decodeURIComponent(rest) === 'main'
        ? json(response, { _id: '1', id: name, sha: COMMIT })
        : json(response, { error: 'no' }, 404)
    if (what === 'tree')
      return json(
        response,
        Object.entries(files).map(([at, body]) => ({ type: 'file', path: at, size: body.length, oid: sha1(body), ...(body.length > 4096 ? { lfs: { oid: sha256(body), size: body.length, pointerSize: 130 } } : {}) })), // prettier-ignore
      )
    const [, datasets = '', repository, file] = /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/[^/]+\/(.+)$/.exec(path) ?? []
    const body = repositories[`${datasets ? 'datasets' : 'models'}/${repository}`]?.[decodeURIComponent(file ?? '')]
    if (!body) return json(response, { error: 'no such file' }, 404)
    const match = trouble.find(each => each.match.test(path) && each.times > 0)
    if (match) {
      match.times--
      return match.answer(response, body)
    }
    const from = Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0)
    response.writeHead(from > 0 ? 206 : 200, { 'Content-Length': body.length - from })
    response.end(body.subarray(from))
  }
  const push = async (path: string, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request)
    if (path === '/api/repos/create') return json(response, { url: 'x' })
    if (path.includes('/preupload/')) {
      const { files } = JSON.parse(body) as { files: { path: string }[] }
      return json(response, { files: files.map(file => ({ ...file, uploadMode: 'regular', shouldIgnore: false })) })
    }
    for (const line of body.split('\n').filter(Boolean)) {
      const { key, value } = JSON.parse(line) as { key: string; value: { path: string; content: string } }
      if (key === 'file') pushed.set(value.path, Buffer.from(value.content, 'base64').toString())
    }
    json(response, { commitOid: COMMIT, commitUrl: 'x', hookOutput: '' })
  }
  const server = createServer((request, response) => {
    const { method = 'GET', url: path = '/', headers } = request
    asked.push(`${method} ${path.split('?')[0]}${headers.range ? ` ${headers.range}` : ''}`)
    tokens.add(headers.authorization)
    const match = trouble.find(each => each.match.test(`${method} ${path}`) && each.times > 0 && !path.includes('/resolve/'))
    if (match) {
      match.times--
      match.answer(response, Buffer.alloc(0))
    } else if (method === 'GET') read(path, response, headers.range)
    else void push(path, request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const close = () => new Promise<void>(resolve => (server.closeAllConnections(), server.close(() => resolve())))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, tokens, pushed, trouble, close }
}
