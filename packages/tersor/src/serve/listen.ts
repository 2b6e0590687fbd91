import { serve } from '@hono/node-server'
import { CompressionError } from '@tersor/tensor'
import type { Hono } from 'hono'
import type { Server } from 'node:http'

export interface Place {
  readonly port: number
  readonly host: string
  readonly signal: AbortSignal
}

/** What a system says of a place where nobody can listen, put into words. */
const REFUSALS: Readonly<Record<string, (place: Place) => CompressionError>> = {
  EADDRINUSE: ({ port }) =>
    new CompressionError('IN_USE', `Port ${port} is in use.`, 'Pass another one with --port, or --port 0 for any that is free.', { port }),
  EACCES: ({ port }) =>
    new CompressionError('BAD_OPTION', `Port ${port} may not be listened on here.`, 'Pass --port with a number above 1023.', { port }),
}

const refusal = (place: Place, cause: Error & { readonly code?: string }): CompressionError =>
  REFUSALS[cause.code ?? '']?.(place) ??
  new CompressionError(
    'BAD_OPTION',
    `Nobody can listen at ${place.host}: ${cause.message}.`,
    'Leave --host out, or pass an address of this computer.',
    { host: place.host },
    cause,
  )

/** An address as it stands in a link; those of IPv6 have brackets there. */
const linkTo = (host: string, port: number): string => `http://${host.includes(':') ? `[${host}]` : host}:${port}/`

/** Serves until the signal; then connections end at once. Throws IN_USE and BAD_OPTION. */
export const listen = async (app: Hono, place: Place, onListening: (address: string) => void): Promise<void> => {
  const { port, host, signal } = place
  signal.throwIfAborted()
  const server = serve({ fetch: app.fetch, port, hostname: host }) as Server
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', error => reject(refusal(place, error)))
      server.once('listening', () => onListening(linkTo(host, (server.address() as { port: number }).port)))
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  } finally {
    server.closeAllConnections()
    server.close()
  }
}
