import { Worker } from 'node:worker_threads'

/** A file, and what is hashed before its bytes. */
export interface Hashed {
  readonly file: string
  readonly before?: string
}

/** Bytes that are read and hashed at a time. */
const PIECE = 2 ** 22

/** Text, and no file of its own, so that it runs from TypeScript as well as from what is built. */
const CODE = `
const { parentPort, workerData } = require('node:worker_threads')
const { createHash } = require('node:crypto')
const { closeSync, openSync, readSync } = require('node:fs')
const hash = createHash('sha256')
const piece = Buffer.allocUnsafe(${PIECE})
for (const { file, before = '' } of workerData) {
  hash.update(before)
  const handle = openSync(file)
  for (let count; (count = readSync(handle, piece)) > 0; ) hash.update(piece.subarray(0, count))
  closeSync(handle)
}
parentPort.postMessage(hash.digest('hex'))
`

/** SHA-256 of files, on a thread of its own, so that whoever reads them for something else need not wait; rejects with what the thread throws, and when it is stopped. */
export const hashOnThread = (files: readonly Hashed[], signal?: AbortSignal): Promise<string> =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const thread = new Worker(CODE, { eval: true, execArgv: [], env: {}, workerData: files })
    signal?.addEventListener('abort', () => void thread.terminate(), { once: true })
    thread.once('message', resolve)
    thread.once('error', reject)
    thread.once('exit', () => reject(new Error('Hashing was stopped.'))) // does nothing once it has answered
  })
