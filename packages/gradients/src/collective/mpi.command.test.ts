import { execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { handlesOf, libraryNames, mpi } from './mpi.js'

const WORKER = join(__dirname, 'worker.fixture.ts')

const hasMpi = ((): boolean => {
  try {
    execFileSync('mpirun', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    console.warn('mpirun is not here: the tests of MPI are skipped. Install it: apt install mpich.')
    return false
  }
})()

const run = async (
  size: number,
  ...args: string[]
): Promise<{ readonly lines: readonly Record<string, unknown>[]; readonly code: number }> => {
  const node = [process.execPath, '--conditions=@tersor/source', '--import', 'tsx', WORKER, ...args]
  // Open MPI starts no ranks as root and none beyond the cores unless it is told to; MPICH asks for neither
  const allowed = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1', OMPI_MCA_rmaps_base_oversubscribe: '1' }
  const child = spawn('mpirun', ['-n', String(size), ...node], {
    env: { ...process.env, ...allowed },
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  const pieces: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece))
  const code = await new Promise<number>(resolve => child.once('close', resolve))
  const lines = Buffer.concat(pieces).toString().split('\n').filter(line => line.startsWith('{')) // prettier-ignore
  return { code, lines: lines.map(line => JSON.parse(line) as Record<string, unknown>) }
}

const tried = hasMpi ? it : it.skip

tried('ranks of MPI do the same as workers of one process', async () => {
  const { lines, code } = await run(3)
  expect(code).toBe(0)
  expect([...lines].sort((a, b) => Number(a.rank) - Number(b.rank))).toEqual(
    [0, 1, 2].map(rank => ({
      ...{ rank, sum: 6, same: true, lengths: [0, 100_000, 200_000], spread: [rank, 10 + rank, 20 + rank], from: 42 },
      sent: 4 * 100_000 * 4 + 2 * rank * 100_000 + 2 + (rank === 0 ? 2 : 0),
    })),
  )
})

tried('MPI ends all where one rank dies', async () => {
  expect((await run(3, 'die')).code).not.toBe(0)
})

it('says of which kind an MPI is that it does not know, and that a library is none', async () => {
  const told = (text: string) => ({
    func: () => (version: unknown) => ((version as Buffer).write(text), 0),
    symbol: (name: string) => name,
  })
  expect(() => handlesOf(told('Cray MPT 7'))).toThrow('This MPI is of a kind that is not known: Cray MPT 7.\nUse MPICH or Open MPI.')
  expect(handlesOf(told('MPICH Version: 4.0.2'))).toEqual({ type: 'int', world: 0x44000000, byte: 0x4c00010d })
  expect(handlesOf(told('Open MPI v4.1.4')).world).toBe('ompi_mpi_comm_world')
  await expect(mpi({ library: 'libc.so.6' })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
})

it('takes the library of the launcher', () => {
  expect(libraryNames({})[0]).toBe('libmpich.so.12')
  expect(libraryNames({ OMPI_COMM_WORLD_SIZE: '4' })[0]).toBe('libmpi.so.40')
})

it('says what it tried where there is no MPI', async () => {
  await expect(mpi({ library: 'libnone.so' })).rejects.toThrow(
    'No MPI library was found: tried libnone.so.\nInstall MPICH or Open MPI and koffi',
  )
  await expect(mpi({ library: 'libnone.so' })).rejects.toMatchObject({ code: 'NO_ENGINE' })
})
