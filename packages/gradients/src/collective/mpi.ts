import { CompressionError } from '@tersor/tensor'
import { collectiveOver, type Collective, type Link } from './collective.js'

export interface MpiOptions {
  /** The shared library; TERSOR_MPI where absent, and else MPICH's and Open MPI's names. */
  readonly library?: string
  /** Milliseconds from one look at what is under way to the next: waiting workers share cores with computing ones. 1 where absent. */
  readonly poll?: number
  /** Makes the link slower, for measurements. */
  readonly through?: (link: Link) => Link
}

type Native = (...values: readonly unknown[]) => number
interface Library {
  readonly func: (declaration: string) => Native
  readonly symbol: (name: string, type: string) => unknown
}
interface Koffi {
  readonly load: (path: string) => Library
  readonly address: (value: unknown) => bigint
}

/** What stands for the world and for bytes: numbers in MPICH, addresses of symbols in Open MPI. */
interface Handles {
  readonly type: string
  readonly world: unknown
  readonly byte: unknown
}

const MPICH = ['libmpich.so.12', 'libmpi.so.12']
const OPEN_MPI = ['libmpi.so.40']
const OTHERS = ['libmpi.so', 'libmpi.dylib']

/** The libraries to try: that of the `mpirun` which started this rank first, as the other's would take each rank for the only one. */
export const libraryNames = (env: Readonly<Record<string, string | undefined>> = process.env): readonly string[] =>
  env.OMPI_COMM_WORLD_SIZE === undefined ? [...MPICH, ...OPEN_MPI, ...OTHERS] : [...OPEN_MPI, ...OTHERS, ...MPICH]

const TAG = 77
/** As large as any MPI's status and request. */
const STATUS = 64

const missing = (tried: readonly string[], cause: unknown): CompressionError =>
  new CompressionError('NO_ENGINE', `No MPI library was found: tried ${tried.join(', ')}.`, 'Install MPICH or Open MPI and koffi (apt install mpich; npm install koffi), or name the library in TERSOR_MPI.', { tried }, cause) // prettier-ignore

const loadKoffi = async (tried: readonly string[]): Promise<Koffi> => {
  try {
    const name = 'koffi' // an optional peer: bundlers and type checks of those without it are left in peace
    return ((await import(name)) as { readonly default: Koffi }).default
  } catch (cause) {
    throw missing(tried, cause)
  }
}

/** UCX, over which MPICH sends, patches how memory is mapped and freed, and V8 crashed with that in one run of ten. It looks once, when it is loaded. */
const leaveMemoryAlone = (): void => {
  process.env.UCX_MEM_EVENTS ??= 'n'
}

const load = async (tried: readonly string[]): Promise<Library> => {
  leaveMemoryAlone()
  const koffi = await loadKoffi(tried)
  let last: unknown
  for (const name of tried) {
    try {
      return koffi.load(name)
    } catch (error) {
      last = error
    }
  }
  throw missing(tried, last)
}

const unknown = (what: string, cause?: unknown): CompressionError =>
  new CompressionError('UNSUPPORTED', `This MPI is of a kind that is not known: ${what}.`, 'Use MPICH or Open MPI.', { version: what }, cause) // prettier-ignore

/** Which of the two kinds of handles a library has. Throws UNSUPPORTED for a third, and a library that is no MPI. */
export const handlesOf = (library: Library): Handles => {
  const version = Buffer.alloc(8192)
  try {
    library.func('int MPI_Get_library_version(void* text, void* length)')(version, Buffer.alloc(8))
  } catch (cause) {
    throw unknown('it does not say its version', cause)
  }
  const text = version.toString('utf8', 0, version.indexOf(0))
  if (/MPICH|Intel|MVAPICH/i.test(text)) return { type: 'int', world: 0x44000000, byte: 0x4c00010d }
  if (/Open MPI/i.test(text)) return { type: 'void*', world: library.symbol('ompi_mpi_comm_world', 'void'), byte: library.symbol('ompi_mpi_byte', 'void') } // prettier-ignore
  throw unknown(text.slice(0, 80))
}

const callsOf = (library: Library, { type }: Handles) => ({
  init: library.func('int MPI_Init(void* argc, void* argv)'),
  finalize: library.func('int MPI_Finalize()'),
  rank: library.func(`int MPI_Comm_rank(${type} comm, void* rank)`),
  size: library.func(`int MPI_Comm_size(${type} comm, void* size)`),
  send: library.func(`int MPI_Isend(void* bytes, int count, ${type} datatype, int to, int tag, ${type} comm, void* request)`),
  receive: library.func(`int MPI_Irecv(void* bytes, int count, ${type} datatype, int from, int tag, ${type} comm, void* request)`),
  probe: library.func(`int MPI_Iprobe(int from, int tag, ${type} comm, void* flag, void* status)`),
  count: library.func(`int MPI_Get_count(void* status, ${type} datatype, void* count)`),
  test: library.func('int MPI_Test(void* request, void* flag, void* status)'),
})

const check = (what: string, code: number): void => {
  if (code !== 0) throw new CompressionError('PEER_LOST', `${what} of MPI answered ${code}.`, 'A worker is gone: start them again; a training with a checkpoint goes on from there.', { what, code }) // prettier-ignore
}

/** What a call puts into the room that it is given. */
const number = (fill: (into: Buffer) => number): number => {
  const into = Buffer.alloc(8)
  check('a question', fill(into))
  return into.readInt32LE(0)
}

/** Holds what MPI reads from or writes to: nothing else would keep the bytes of a message that is under way. */
const keeper = () => {
  const underWay = new Set<Buffer>()
  return async (bytes: Buffer, work: () => Promise<void>): Promise<void> => {
    underWay.add(bytes)
    try {
      await work()
    } finally {
      underWay.delete(bytes)
    }
  }
}

/**
 * The workers that `mpirun` started: `mpirun -n 4 node train.js`. Where one of them dies, MPI ends all; start them again, and a training with
 * checkpoints goes on to the same weights. What is under way is looked at by a timer, so that waiting workers leave the cores to computing ones.
 * Throws NO_ENGINE where there is no MPI or no koffi, UNSUPPORTED for an MPI of an unknown kind, PEER_LOST.
 */
export const mpi = async ({
  library: path = process.env.TERSOR_MPI,
  poll = 1,
  through = link => link,
}: MpiOptions = {}): Promise<Collective> => {
  const library = await load(path === undefined ? libraryNames() : [path])
  const handles = handlesOf(library)
  const calls = callsOf(library, handles)
  const { world, byte } = handles
  const wait = (): Promise<void> => new Promise(resolve => setTimeout(resolve, poll))
  check('init', calls.init(null, null))
  const rank = number(into => calls.rank(world, into))
  const size = number(into => calls.size(world, into))
  const finished = async (what: string, request: Buffer): Promise<void> => {
    const [flag, status] = [Buffer.alloc(8), Buffer.alloc(STATUS)]
    for (;;) {
      check(what, calls.test(request, flag, status))
      if (flag.readInt32LE(0) !== 0) return
      await wait()
    }
  }
  const kept = keeper()
  /** One after the other for each worker: two that wait for the same message must not both take it. */
  const queues = Array.from({ length: size }, () => Promise.resolve() as Promise<unknown>)
  const receive = async (from: number, within?: AbortSignal): Promise<Uint8Array | undefined> => {
    const [flag, status] = [Buffer.alloc(8), Buffer.alloc(STATUS)]
    for (;;) {
      check('probe', calls.probe(from, TAG, world, flag, status))
      if (flag.readInt32LE(0) !== 0) break
      if (within?.aborted) return undefined
      await wait()
    }
    const length = number(into => calls.count(status, byte, into))
    const [bytes, request] = [Buffer.alloc(length), Buffer.alloc(STATUS)]
    await kept(bytes, () => {
      check('receive', calls.receive(bytes, length, byte, from, TAG, world, request))
      return finished('receive', request)
    })
    return Uint8Array.from(bytes)
  }
  return collectiveOver(
    through({
      rank,
      size,
      send: async (to, bytes) => {
        const [copy, request] = [Buffer.from(bytes), Buffer.alloc(STATUS)]
        await kept(copy, () => {
          check('send', calls.send(copy, copy.byteLength, byte, to, TAG, world, request))
          return finished('send', request)
        })
      },
      receive: (from, within) => {
        const next = queues[from].then(() => receive(from, within))
        queues[from] = next.catch(() => {})
        return next
      },
      close: async () => check('finalize', calls.finalize()),
    }),
  )
}
