import { hasCode } from '@tersor/tensor'
import { Hono, type Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import { streamed, wholeAnswer, type Head, type Kind } from './answers.js'
import { complete, type Ended } from './complete.js'
import { BadRequest, readRequest, type CompletionRequest } from './completion-request.js'
import { oneAtATime } from './one-at-a-time.js'
import { pageFile } from './page-files.js'
import type { ServedModel, ServedModels } from './served-models.js'

export interface ServerOptions {
  readonly models: ServedModels
  /** That it listens on: a page of another name may not ask a server of this computer alone. */
  readonly host: string
  /** The folder of the built page. */
  readonly page: string
  /** Ends what is being answered. */
  readonly signal: AbortSignal
}

const LOOPBACK = ['127.0.0.1', 'localhost', '::1', '[::1]']

/** Faults of a request among our own errors. */
const OF_THE_REQUEST = ['BAD_DATA', 'BAD_OPTION', 'UNSUPPORTED'] as const

/** An error as the API says it; `what` and the step to take in one text. */
const errorOf = (error: unknown): { readonly status: 400 | 404 | 500; readonly body: object } => {
  const { message } = error as Error
  const own = error instanceof BadRequest ? error : undefined
  const isBad = own || OF_THE_REQUEST.some(code => hasCode(error, code))
  const code = own ? own.code : ((error as { code?: string }).code ?? null)
  const type = isBad ? 'invalid_request_error' : 'server_error'
  return { status: own?.status ?? (isBad ? 400 : 500), body: { error: { message: message.replace('\n', ' '), type, param: own?.param ?? null, code } } } // prettier-ignore
}

const refusal = (context: Context, error: unknown): Response => {
  const { status, body } = errorOf(error)
  return context.json(body, status)
}

const modelOf = ({ list }: ServedModels, id: string): ServedModel => {
  const found = list.find(each => each.id === id)
  if (found) return found
  const known = list.map(each => each.id).join(', ') || 'none'
  throw new BadRequest(`There is no model ${JSON.stringify(id)}; there is ${known}.`, 'model', 404, 'model_not_found')
}

/** The body of a request; only JSON by its type, which a page of another origin cannot send unasked. */
const bodyOf = async (context: Context): Promise<unknown> => {
  if (!context.req.header('content-type')?.includes('application/json'))
    throw new BadRequest('The content-type must be application/json.', null)
  return context.req.json().catch(() => {
    throw new BadRequest('The body is no JSON.', null)
  })
}

interface Asked {
  readonly kind: Kind
  readonly head: Head
  readonly request: CompletionRequest
  readonly pieces: AsyncGenerator<string, Ended>
}

/** All pieces, handed on one by one. */
const each = async (pieces: Asked['pieces'], tell: (text: string) => Promise<void> | void): Promise<Ended> => {
  for (;;) {
    const next = await pieces.next()
    if (next.done) return next.value
    await tell(next.value)
  }
}

const answerWhole = async ({ kind, head, pieces }: Asked): Promise<object> => {
  let text = ''
  const ended = await each(pieces, piece => void (text += piece))
  return wholeAnswer(kind, head, text, ended)
}

const answerInPieces = (context: Context, { kind, head, request, pieces }: Asked, wait: (work: () => Promise<void>) => Promise<void>) =>
  streamSSE(context, async stream => {
    const say = (event: object | string) => stream.writeSSE({ data: typeof event === 'string' ? event : JSON.stringify(event) })
    const { first, piece, last } = streamed(kind, head)
    try {
      await wait(async () => {
        for (const event of first) await say(event)
        const ended = await each(pieces, text => say(piece(text)))
        for (const event of last(ended, request.usage)) await say(event)
      })
      await say('[DONE]')
    } catch (error) {
      if (!stream.aborted) await say(errorOf(error).body)
    }
  })

/** The page, and the part of the OpenAI API that language models here can answer. */
export const serverApp = ({ models, host, page, signal }: ServerOptions): Hono => {
  const app = new Hono()
  const inTurn = oneAtATime()
  let count = 0
  app.use(async (context, next) => {
    const asked = new URL(context.req.url).hostname
    if (LOOPBACK.includes(host) && !LOOPBACK.includes(asked)) return context.text('This server answers at localhost alone.\n', 403)
    return next()
  })
  const answer = (kind: Kind) => async (context: Context) => {
    const request = readRequest(await bodyOf(context), kind)
    const served = modelOf(models, request.model)
    const ends = AbortSignal.any([signal, context.req.raw.signal])
    const head = { id: `${kind === 'chat' ? 'chatcmpl' : 'cmpl'}-${++count}`, created: Math.floor(Date.now() / 1000), model: served.id }
    const asked = { kind, head, request, pieces: complete(served, request, ends) }
    if (!request.stream) return context.json(await inTurn(ends, () => answerWhole(asked)))
    return answerInPieces(context, asked, work => inTurn(ends, work))
  }
  app.post('/v1/chat/completions', answer('chat'))
  app.post('/v1/completions', answer('text'))
  app.get('/v1/models', context =>
    context.json({ object: 'list', data: models.list.map(({ id }) => ({ id, object: 'model', created: 0, owned_by: 'tersor' })) }),
  )
  app.get('*', context => pageFile(page, context.req.path))
  app.notFound(context => refusal(context, new BadRequest('There is no such address.', null, 404)))
  app.onError((error, context) => refusal(context, error))
  return app
}
