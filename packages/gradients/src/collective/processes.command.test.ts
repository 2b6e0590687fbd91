import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { launch, processes } from './processes.js'

const WORKER = join(__dirname, 'worker.fixture.ts')
const NODE = ['--conditions=@tersor/source', '--import', 'tsx']
/** `launch` in a process of its own, whose output is that of all workers. */
const launched = async (
  size: number,
  ...args: string[]
): Promise<{ readonly lines: readonly Record<string, unknown>[]; readonly codes: string }> => {
  const code = `import { launch } from ${JSON.stringify(join(__dirname, 'processes.ts'))}
    console.log(JSON.stringify({ codes: await launch(${JSON.stringify({ size, script: WORKER, args, node: NODE })}) }))`
  const child = spawn(process.execPath, [...NODE, '--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  const pieces: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece))
  await new Promise(resolve => child.once('close', resolve))
  const lines = Buffer.concat(pieces).toString().trim().split('\n').map(line => JSON.parse(line) as Record<string, unknown>) // prettier-ignore
  return { lines: lines.filter(({ codes }) => !codes), codes: String(lines.find(({ codes }) => codes)?.codes) }
}

it('processes find each other and do the same as workers of one process', async () => {
  const { lines, codes } = await launched(3)
  expect(codes).toBe('0,0,0')
  expect([...lines].sort((a, b) => Number(a.rank) - Number(b.rank))).toEqual(
    [0, 1, 2].map(rank => ({
      ...{ rank, sum: 6, same: true, lengths: [0, 100_000, 200_000], spread: [rank, 10 + rank, 20 + rank], from: 42 },
      sent: 4 * 100_000 * 4 + 2 * rank * 100_000 + 2 + (rank === 0 ? 2 : 0),
    })),
  )
})

it('says to those that are left that a process is gone', async () => {
  const { lines, codes } = await launched(3, 'die')
  expect(codes).toBe('1,3,1')
  expect(lines.map(({ code }) => code)).toEqual(['PEER_LOST', 'PEER_LOST'])
})

it('refuses what it cannot do', async () => {
  await expect(launch({ size: 0, script: WORKER })).rejects.toThrow('launch got a size of 0.\nPass a positive integer')
  await expect(processes()).rejects.toThrow('This process was not started by launch.\nStart the workers with launch({ size, script }).')
})
