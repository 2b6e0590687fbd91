import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { launchThreads } from './threads.js'

const NODE = ['--conditions=@tersor/source', '--import', 'tsx']
/** What a script of its own process wrote, line by line. */
const linesOf = async (script: string, ...args: string[]): Promise<readonly Record<string, unknown>[]> => {
  const child = spawn(process.execPath, [...NODE, join(__dirname, script), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const pieces: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece))
  await new Promise(resolve => child.once('close', resolve))
  const lines = Buffer.concat(pieces).toString().trim().split('\n').map(line => JSON.parse(line) as Record<string, unknown>) // prettier-ignore
  return [...lines].sort((a, b) => Number(a.rank ?? 9) - Number(b.rank ?? 9))
}

it('threads find each other in shared memory, and do the same as workers of one process', async () => {
  const lines = await linesOf('threads.fixture.ts')
  expect(lines.slice(0, 3)).toEqual(
    [0, 1, 2].map(rank => ({
      ...{ rank, sum: 6, same: true, lengths: [0, 100_000, 200_000], spread: [rank, 10 + rank, 20 + rank], from: 42 },
      sent: 4 * 100_000 * 4 + 2 * rank * 100_000 + 2 + (rank === 0 ? 2 : 0),
    })),
  )
  expect(lines[3]).toEqual({ codes: '0,0,0' })
})

it('says to those that are left that a thread is gone', async () => {
  const lines = await linesOf('threads.fixture.ts', 'die')
  expect(lines).toEqual([
    { rank: 0, code: 'PEER_LOST' },
    { rank: 2, code: 'PEER_LOST' },
    { codes: '1,3,1' },
  ]) // prettier-ignore
})

it('workers do the same over data channels of WebRTC, with messages of a megabyte', async () => {
  expect(await linesOf('channels.fixture.ts')).toEqual(
    [0, 1, 2].map(rank => ({ rank, sum: 6, lengths: [0, 500_000, 1_000_000], sent: [5332, 5332, 5336][rank] + 2 * rank * 500_000 })),
  )
}, 20_000)

it('refuses no threads', async () => {
  await expect(launchThreads({ size: 0, script: 'x' })).rejects.toThrow(
    'sharedRings got a size of 0.\nPass a positive integer: the threads.',
  )
})
