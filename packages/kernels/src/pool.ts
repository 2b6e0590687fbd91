import { startHelper, startThread, type Helper, type StartThread } from './pool/helper.js'
import { partsOf, type KernelInstance, type Numbers, type RowBuffer, type RowJob } from './pool/row-job.js'
import { threadCount } from './pool/threads.js'
import { wasmInstance, wasmModule } from './wasm.js'

export type { Numbers, RowArgument, RowBuffer, RowJob } from './pool/row-job.js'

export interface RunRowsOptions {
  readonly signal?: AbortSignal | undefined
}

/** Threads that share the rows of jobs among them: this one and its helpers. */
export interface Pool {
  /** Runs a job to its end; throws the signal's reason, or NO_ENGINE where a helper died. */
  run(job: RowJob, options?: RunRowsOptions): Promise<void>
  /** The numbers in memory that its threads share: worth it for those that several jobs read. */
  share(values: Float32Array): Float32Array
  /** Memory that its threads share, plain where there is one thread. */
  room(byteLength: number): ArrayBufferLike
  stop(): void
}

/**
 * Shared memory that helpers may have seen, in bytes, before others take their place: what a thread has seen stays until it collects its own
 * garbage, and one that only runs kernels makes next to none. A page has less to spare.
 */
const MOST_SEEN = (globalThis.process?.versions?.node ? 256 : 64) * 2 ** 20

/** How long this thread works before it lets messages and signals through, in ms. */
const TURN = 20
const NOBODY = 2 ** 30

const turn = (): Promise<void> => new Promise(resolve => (typeof setImmediate === 'function' ? setImmediate(resolve) : setTimeout(resolve)))

const isShared = ({ buffer }: Numbers): boolean => typeof SharedArrayBuffer !== 'undefined' && buffer instanceof SharedArrayBuffer

/** As many numbers, 0, in memory that threads share. */
const sharedLike = (array: Numbers): Numbers =>
  new (array.constructor as new (buffer: ArrayBufferLike) => Numbers)(new SharedArrayBuffer(array.byteLength))

const sharedCopy = <T extends Numbers>(array: T): T => {
  const copy = sharedLike(array) as T
  copy.set(array as never)
  return copy
}

/** Whether nothing of the array stays as it was. */
const fillsAll = (buffer: RowBuffer): boolean =>
  buffer.role === 'out' && 'each' in buffer && buffer.stride === undefined && buffer.offset === undefined

/** The job with what it reads and writes in memory that threads share, and how results come back. */
const shareBuffers = (job: RowJob): { readonly job: RowJob; readonly takeBack: () => void } => {
  const results: (readonly [own: Numbers, shared: Numbers])[] = []
  const share = (buffer: RowBuffer): RowBuffer => {
    if (buffer.role === 'room' || buffer.role === 'whole' || isShared(buffer.array)) return buffer
    if (buffer.role === 'in') return { ...buffer, array: sharedCopy(buffer.array) }
    const array = fillsAll(buffer) ? sharedLike(buffer.array) : sharedCopy(buffer.array)
    results.push([buffer.array, array])
    return { ...buffer, array }
  }
  const buffers = Object.fromEntries(Object.entries(job.buffers).map(([name, buffer]) => [name, share(buffer)]))
  return { job: { ...job, buffers }, takeBack: () => results.forEach(([own, shared]) => own.set(shared as never)) }
}

/** Instances of this thread that no job uses: to make one takes longer than many a job. */
const idle: KernelInstance[] = []
const takeInstance = (): KernelInstance => idle.pop() ?? (wasmInstance().exports as KernelInstance)

/** Takes parts from those that are left until there are none, and looks up now and then. */
const work = async (job: RowJob, take: () => number, signal: AbortSignal | undefined): Promise<void> => {
  const instance = takeInstance()
  try {
    const run = partsOf(instance, job)
    const parts = Math.ceil(job.rows / job.atOnce)
    let since = performance.now()
    for (let part = take(); part < parts; part = take()) {
      run(part)
      if (performance.now() - since < TURN) continue
      await turn()
      signal?.throwIfAborted()
      since = performance.now()
    }
  } finally {
    idle.push(instance)
  }
}

/** Starts no thread before a job has parts for it; where none can be started this thread does everything. */
export const poolOf = (threads: number, start: StartThread = startThread()): Pool => {
  const shares = threads > 1 && typeof SharedArrayBuffer !== 'undefined'
  let helpers: Helper[] | undefined
  let [orders, running, seen] = [0, 0, 0]
  let shown = new WeakSet<ArrayBufferLike>()
  const startHelpers = (): Helper[] => Array.from({ length: threads - 1 }, () => startHelper(start)).filter(helper => helper !== undefined)
  /** Counts what helpers see for the first time. */
  const show = ({ buffers }: RowJob): void => {
    for (const buffer of Object.values(buffers)) {
      if (buffer.role === 'room' || !isShared(buffer.array) || shown.has(buffer.array.buffer)) continue
      shown.add(buffer.array.buffer)
      seen += buffer.array.buffer.byteLength
    }
  }
  const runShared = async (given: RowJob, all: readonly Helper[], signal: AbortSignal | undefined): Promise<void> => {
    const { job, takeBack } = shareBuffers(given)
    show(job)
    const next = new Int32Array(new SharedArrayBuffer(4))
    const order = { id: orders++, module: wasmModule(), job, next }
    const answers = Promise.allSettled(all.map(helper => helper.ask(order)))
    try {
      await work(job, () => Atomics.add(next, 0, 1), signal)
    } finally {
      Atomics.store(next, 0, NOBODY)
      await answers
    }
    const failed = (await answers).find(answer => answer.status === 'rejected')
    if (failed) throw failed.reason
    takeBack()
  }
  const stop = (): void => {
    helpers?.forEach(helper => helper.stop())
    helpers = undefined
    seen = 0
    shown = new WeakSet()
  }
  return {
    run: async (job, { signal } = {}) => {
      signal?.throwIfAborted()
      const parts = Math.ceil(job.rows / job.atOnce)
      const all = threads > 1 && parts > 1 ? (helpers ??= startHelpers()).slice(0, parts - 1) : []
      let next = 0
      if (all.length === 0) return work(job, () => next++, signal)
      running++
      try {
        await runShared(job, all, signal)
      } catch (error) {
        if (!signal?.aborted) stop() // with one of them gone the others begin anew
        throw error
      } finally {
        running--
        if (running === 0 && seen > MOST_SEEN) stop()
      }
    },
    share: values => (shares && !isShared(values) ? sharedCopy(values) : values),
    room: byteLength => (shares ? new SharedArrayBuffer(byteLength) : new ArrayBuffer(byteLength)),
    stop,
  }
}

/** Runs a job on this thread at once, for callers that cannot wait. */
export const runRowsHere = (job: RowJob): void => {
  const instance = takeInstance()
  try {
    const run = partsOf(instance, job)
    for (let part = 0; part * job.atOnce < job.rows; part++) run(part)
  } finally {
    idle.push(instance)
  }
}

let pool: Pool | undefined

/**
 * Runs kernels over rows on TERSOR_THREADS threads (all cores where absent), this one among them, or on this one alone where threads
 * or memory that they share are missing. Bytes do not depend on the number. Workers start at the first job that has parts for them, and do not
 * keep the process alive. Throws BAD_OPTION for a number of threads that is none, the signal's reason, NO_ENGINE where a worker died.
 */
export const runRows = async (job: RowJob, options: RunRowsOptions = {}): Promise<void> => thePool().run(job, options)

/** Numbers for several jobs of `runRows`, copied once to where its threads see them; the same array where there is one thread. */
export const shareNumbers = (values: Float32Array): Float32Array => thePool().share(values)

/** Memory for what jobs of `runRows` read or write, which is then not copied for its threads; keep it from what takes plain memory alone. */
export const roomForThreads = (byteLength: number): ArrayBufferLike => thePool().room(byteLength)

const thePool = (): Pool => (pool ??= poolOf(threadCount()))
