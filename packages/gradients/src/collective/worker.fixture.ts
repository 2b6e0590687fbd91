/** What each process of the tests does: sums, gathers large and small, and says so; `die` ends one of them in the middle. */
import { mpi } from './mpi.js'
import { workerData } from 'node:worker_threads'
import { isLaunched, processes } from './processes.js'
import { threads } from './threads.js'

/** Of a thread, its arguments. */
const given = (workerData as { readonly data?: readonly string[] } | null)?.data
const peers = given ? threads() : isLaunched() ? await processes() : await mpi()
const { rank, size } = peers
if ((given ?? process.argv).includes('die') && rank === 1) process.exit(3)
try {
  const values = new Float32Array(300_000).fill(rank + 1)
  await peers.sum(values)
  const lengths = (await peers.gather(new Uint8Array(rank * 100_000))).map(bytes => bytes!.byteLength)
  const spread = (await peers.spread(Array.from({ length: size }, (_, to) => Uint8Array.of(10 * rank + to)))).map(bytes => bytes[0])
  const [from] = await peers.broadcast(rank === 0 ? Uint8Array.of(42) : undefined, 0)
  console.log(JSON.stringify({ rank, sum: values[299_999], same: values.every(value => value === values[0]), lengths, spread, from, sent: peers.traffic.sent })) // prettier-ignore
} catch (error) {
  console.log(JSON.stringify({ rank, code: (error as { code?: string }).code }))
  process.exitCode = 1
} finally {
  await peers.close()
}
