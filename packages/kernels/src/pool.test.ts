import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { poolOf, type Pool, type RowJob } from './pool.js'
import { startThread } from './pool/helper.js'
import { threadCount } from './pool/threads.js'

const ROWS = 60
const COLUMNS = 37

const matrix = (): Float32Array => Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => Math.fround(Math.sin(i) * 3))

/** The range of each row, seven rows at once. */
const rangeJob = (values: Float32Array): { readonly job: RowJob; readonly low: Float32Array; readonly high: Float32Array } => {
  const [low, high] = [new Float32Array(ROWS), new Float32Array(ROWS)]
  const buffers: RowJob['buffers'] = {
    values: { role: 'in', array: values, each: COLUMNS },
    low: { role: 'out', array: low, each: 1 },
    high: { role: 'out', array: high, each: 1 },
  }
  const call = ['rangesOfRuns', { at: 'values' }, { lengthOf: 'values' }, COLUMNS, COLUMNS, { at: 'low' }, { at: 'high' }] as const
  return { job: { rows: ROWS, atOnce: 7, buffers, calls: [call] }, low, high }
}

const rangesOn = async (pool: Pool): Promise<readonly [number[], number[]]> => {
  const { job, low, high } = rangeJob(matrix())
  await pool.run(job)
  return [[...low], [...high]]
}

const using = async (pool: Pool, body: (pool: Pool) => Promise<void>): Promise<void> => body(pool).finally(() => pool.stop())

const rows = Array.from({ length: ROWS }, (_, row) => [...matrix().subarray(row * COLUMNS, (row + 1) * COLUMNS)])
const expected = [rows.map(row => Math.min(...row)), rows.map(row => Math.max(...row))]

it.each([1, 2, 3, 5])('gives the results of plain loops on %i threads', threads =>
  using(poolOf(threads), async pool => {
    expect(await rangesOn(pool)).toEqual(expected)
    expect(await rangesOn(pool)).toEqual(expected)
  }),
)

it.each([1, 3])('cuts columns out of lines, and leaves what lies between rows that it fills, on %i threads', threads =>
  using(poolOf(threads), async pool => {
    const values = Float32Array.from({ length: 4 * 10 }, (_, i) => i) // (4, 10)
    const found = new Float32Array(1 + 3 * 8).fill(-1)
    const buffers: RowJob['buffers'] = {
      strip: { role: 'in', array: values, lines: 3, stride: 10, offset: 11 }, // rows 1 … 3, columns 1 … 8
      turned: { role: 'out', array: found, each: 2, stride: 3, offset: 1 },
    }
    const call = ['transposeLines', { at: 'strip' }, 2, 'rows', { at: 'turned' }] as const
    await pool.run({ rows: 8, atOnce: 3, buffers, calls: [call] })
    const expected = Array.from({ length: 8 }, (_, r) => [11 + r, 21 + r, -1]).flat()
    expect([...found]).toEqual([-1, ...expected])
  }),
)

it('runs jobs that were started together', () =>
  using(poolOf(2), async pool => {
    const together = await Promise.all(Array.from({ length: 8 }, () => rangesOn(pool)))
    together.forEach(ranges => expect(ranges).toEqual(expected))
  }))

it('does everything on this thread where threads or shared memory are missing', async () => {
  expect(await rangesOn(poolOf(4, () => undefined))).toEqual(expected)
  const { SharedArrayBuffer } = globalThis
  try {
    Object.assign(globalThis, { SharedArrayBuffer: undefined })
    expect(await rangesOn(poolOf(4))).toEqual(expected)
  } finally {
    Object.assign(globalThis, { SharedArrayBuffer })
  }
})

it('puts others in the place of threads that have seen much memory, which they would keep', async () => {
  let started = 0
  const start = startThread()
  const counted: typeof start = listener => ((started += 1), start(listener))
  await using(poolOf(2, counted), async pool => {
    const room = new Float32Array(pool.room(300 * 2 ** 20)).subarray(0, ROWS * COLUMNS)
    room.set(matrix())
    for (let time = 0; time < 2; time++) {
      const { job, low } = rangeJob(room)
      await pool.run(job)
      expect([...low]).toEqual(expected[0])
    }
    expect(started).toBe(2)
  })
})

it('reads views at an odd offset', () =>
  using(poolOf(2), async pool => {
    const values = new Float32Array(new Float32Array([0, ...matrix()]).buffer, 4)
    const { job, low, high } = rangeJob(values)
    await pool.run(job)
    expect([[...low], [...high]]).toEqual(expected)
  }))

it.each([
  ['ends', 'process.exit(3)', 'It ended with status 3.'],
  ['throws', "throw new Error('out of memory')", 'out of memory'],
  ['answers with an error', "require('node:worker_threads').parentPort.on('message', ({ id }) => require('node:worker_threads').parentPort.postMessage({ id, error: 'no room' }))", 'no room'], // prettier-ignore
])('tells of a worker that %s, and starts others for the next job', (_, code, message) => {
  let start = startThread(code)
  return using(
    poolOf(2, listener => start(listener)),
    async pool => {
      await expect(rangesOn(pool)).rejects.toMatchObject({
        code: 'NO_ENGINE',
        message: `A worker thread ended in the middle of its work: ${message}\nFree memory, or set TERSOR_THREADS=1 to do without threads.`,
      })
      start = startThread()
      expect(await rangesOn(pool)).toEqual(expected)
    },
  )
})

it('tells of a kernel that fails, with threads and without', async () => {
  const { job } = rangeJob(matrix())
  for (const threads of [1, 2])
    await using(poolOf(threads), pool => expect(pool.run({ ...job, calls: [['nothing']] })).rejects.toThrow('is not a function'))
})

it('stops with the reason of the signal', () =>
  using(poolOf(2), async pool => {
    const { job } = rangeJob(matrix())
    const reason = new Error('enough')
    await expect(pool.run(job, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const controller = new AbortController()
    setImmediate(() => controller.abort(reason))
    const long = { ...job, atOnce: 1, calls: Array.from({ length: 20_000 }, () => job.calls[0]) }
    await expect(pool.run(long, { signal: controller.signal })).rejects.toBe(reason)
    expect(await rangesOn(pool)).toEqual(expected) // and goes on with the next
  }))

it('takes the number of threads from TERSOR_THREADS and refuses what is none', () => {
  expect(threadCount({ TERSOR_THREADS: '3' })).toBe(3)
  expect(threadCount({})).toBeGreaterThan(0)
  for (const wanted of ['0', '-1', '1.5', 'all'])
    expect(() => threadCount({ TERSOR_THREADS: wanted })).toThrow(
      `TERSOR_THREADS is ${wanted}.\nSet a whole number above 0, or leave it out to use all cores.`,
    )
})

it('does not keep the process alive, and runs in a process without jest', () => {
  const script = `
    import { poolOf } from ${JSON.stringify(join(__dirname, 'pool.ts'))}
    const [values, low, high] = [new Float32Array(64).map((_, i) => i), new Float32Array(2), new Float32Array(2)]
    const buffers = { values: { role: 'in', array: values, each: 32 }, low: { role: 'out', array: low, each: 1 }, high: { role: 'out', array: high, each: 1 } }
    const call = ['rangesOfRuns', { at: 'values' }, { lengthOf: 'values' }, 32, 32, { at: 'low' }, { at: 'high' }]
    await poolOf(2).run({ rows: 2, atOnce: 1, buffers, calls: [call] })
    console.log(JSON.stringify([[...low], [...high]]))`
  const options = ['--import', 'tsx', '--conditions=@tersor/source', '--input-type=module', '-e', script]
  expect(String(execFileSync(process.execPath, options, { timeout: 30_000 }))).toBe('[[0,32],[31,63]]\n')
})
