import { CompressionError } from '@tersor/tensor'
import { setTimeout } from 'node:timers/promises'

/** Requests that the hub turned away for their number are made again so often. */
const ATTEMPTS = 3
/** Seconds, where the hub does not say how long to wait, and at most. */
const WAIT = 2
const MOST_WAIT = 60

const refusals: Readonly<Record<number, readonly [what: string, remedy: string]>> = {
  401: ['asks who you are', 'Set HF_TOKEN, or log in with `hf auth login`; the name may also be wrong: private ones look the same.'],
  403: ['does not let you in', 'Ask for access on its page, and set HF_TOKEN to a token that may read it.'],
  404: ['is not on the hub', 'Check the name, the revision and the file.'],
  429: ['was asked for too often', 'Wait some minutes; with HF_TOKEN set more is allowed.'],
}

/** The error for an answer that is no success. */
export const hubError = (what: string, status: number, cause?: unknown): CompressionError => {
  const [said, remedy] = refusals[status] ?? [
    `was answered with status ${status}`,
    'Try again later, or look at https://status.huggingface.co.',
  ]
  return new CompressionError(status === 404 ? 'NOT_FOUND' : 'NETWORK', `${what} ${said} (${status}).`, remedy, { status }, cause)
}

const noAnswer = (what: string, cause: unknown): CompressionError => {
  const { message, cause: inner } = cause as Error
  const reason = (inner as Error | undefined)?.message ?? message
  return new CompressionError(
    'NETWORK',
    `The hub cannot be reached for ${what}: ${reason.split('\n')[0]}.`,
    'Check the network and HF_ENDPOINT; HF_HUB_OFFLINE=1 takes what is in the cache.',
    {},
    cause,
  )
}

/** fetch that waits where the hub asks for it, stops with the signal, and says in words what went wrong. */
export const hubFetch =
  (what: string, signal: AbortSignal): typeof fetch =>
  async (input, init = {}) => {
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted()
      const response = await fetch(input, { ...init, signal }).catch((cause: unknown) => {
        signal.throwIfAborted()
        throw noAnswer(what, cause)
      })
      if (response.ok || response.status === 416) return response
      if (![429, 503].includes(response.status) || attempt === ATTEMPTS) {
        await response.body?.cancel()
        throw hubError(what, response.status)
      }
      await response.body?.cancel()
      const seconds = Number(response.headers.get('Retry-After') ?? WAIT * attempt)
      await setTimeout(1000 * Math.min(MOST_WAIT, Number.isFinite(seconds) ? seconds : WAIT), undefined, { signal })
    }
  }
