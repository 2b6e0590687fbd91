/** A run that was stopped or killed keeps what is finished, and is told from one that runs. */
import { nodeFileSystem } from '@tersor/formats/internal/files/file-system'
import { cp, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { identityOf, movesToText } from '../../formats/src/files/moves.js'
import { encodeRecord, parseJournal } from '../../formats/src/scratch/journal.js'
import { json, runWords as run, type Result } from './command.fixture.js'
import { scene } from './scene.fixture.js'

const { at, fresh } = scene()

const command = (out: string, ...more: string[]) => [
  ...['compress', at.model, '--out', out, '--calibrate', at.text],
  ...['--step', 'wanda(sparsity=0.5)', '--step', 'gptq(group=8)', ...more],
]
const weights = (out: string) => readFile(join(out, 'model.safetensors'))
/** Stops a run by Ctrl-C when it has finished the unit of a stage. */
const stopAt = async (out: string, unit: string, ...more: string[]): Promise<Result> => {
  const running = run(...command(out, ...more))
  await unitOf(out, unit)
  process.emit('SIGINT')
  return running
}
/** Waits until a run has written a unit. */
const unitOf = async (out: string, unit: string): Promise<void> => {
  for (let tries = 0; tries < 5000; tries++) {
    if ((await readdir(`${out}.partial`).catch((): string[] => [])).includes(`unit-${unit}.safetensors`)) return
    await setTimeout(2)
  }
  throw new Error(`no unit ${unit} of ${out}`)
}

/** What a run writes down before it moves its result to its place. */
const planned = async (out: string, identity: string): Promise<void> => {
  await mkdir(join(`${out}.partial`, 'output'))
  await writeFile(join(`${out}.partial`, 'output/moves.json'), movesToText([{ to: out, kept: 'replaced-0', identity }]))
}
/** The traces of a run that was killed between the stages and the end, in some moment of publishing. */
const killedWhile = async (state: 'publishing' | 'published', out: string, ...more: string[]): Promise<void> => {
  await stopAt(out, '0-0', ...more)
  const journal = join(`${out}.partial`, 'journal')
  const { text: lines, checksum } = parseJournal(await readFile(journal, 'utf8'), journal)
  await writeFile(journal, lines + encodeRecord({ kind: state }, checksum).line)
}

it('keeps its finished stages and goes on to the same bytes and the same report', async () => {
  const whole = fresh('whole')
  const expected = await json(...command(whole))
  const out = fresh('stopped')
  const { code, err } = await stopAt(out, '1-1')
  expect(code).toBe(130)
  expect(err).toContain(`Stopped; finished stages are kept in ${out}.partial: run the command again with --resume to go on.`)
  expect((await run(...command(out))).err).toContain(`error RESUME ${out}.partial holds a run that was stopped.`)
  expect((await run(...command(out, '--seed', '1', '--resume'))).err).toContain('was begun with another seed: 0 then, 1 now.')
  const resumed = await json(...command(out, '--resume'))
  expect(resumed.steps).toEqual(expected.steps)
  expect(await weights(out)).toEqual(await weights(whole))
  expect(await readdir(at.folder)).not.toContain('stopped.partial')
})

it('can be thrown away', async () => {
  const out = fresh('discarded')
  await stopAt(out, '0-0')
  await json(...command(out, '--overwrite'))
  expect(await weights(out)).toEqual(await weights(fresh('whole')))
})

it('is told from none', async () => {
  const { code, err } = await run(...command(fresh('nothing'), '--resume'))
  expect(code).toBe(1)
  expect(err).toContain(`error RESUME There is no stopped run in ${fresh('nothing')}.partial.\nLeave resume (--resume) out`)
})

it('goes on where it was killed between moving the result to its place and saying so, or cleaning up', async () => {
  const out = fresh('moved')
  await stopAt(out, '0-0')
  await json(...command(out, '--resume'))
  for (const state of ['publishing', 'published'] as const) {
    const other = fresh(`moved-${state}`)
    await killedWhile(state, other)
    await cp(out, other, { recursive: true })
    await planned(other, await identityOf(nodeFileSystem(), other))
    const result = await json(...command(other, '--resume'))
    expect(result.bytesAfter).toBeGreaterThan(0)
    expect(await weights(other)).toEqual(await weights(out))
    expect(await readdir(at.folder)).not.toContain(`moved-${state}.partial`)
  }
})

it('gets back what it was about to replace when it was killed between the two renames', async () => {
  const out = fresh('replaced')
  await json('compress', at.model, '--out', out, '--step', 'rtn(bits=2, group=8)')
  const before = await weights(out)
  await killedWhile('publishing', out, '--overwrite')
  await planned(out, 'of another')
  await rename(out, join(`${out}.partial`, 'output/replaced-0'))
  expect((await run(...command(out, '--resume'))).err).toContain(`error OUTPUT_EXISTS ${out} exists already.`)
  expect(await weights(out)).toEqual(before)
  await json(...command(out, '--resume', '--overwrite'))
  expect(await weights(out)).toEqual(await weights(fresh('whole')))
})

it('leaves alone what somebody has put in its place since', async () => {
  const out = fresh('somebodys')
  await killedWhile('publishing', out)
  await planned(out, 'of another')
  await mkdir(out)
  await writeFile(join(out, 'photo.jpg'), 'precious')
  expect((await run(...command(out, '--resume'))).err).toContain(`error OUTPUT_EXISTS ${out} exists already.`)
  expect((await run(...command(out, '--resume', '--overwrite'))).err).toContain('it holds photo.jpg')
  expect(await readFile(join(out, 'photo.jpg'), 'utf8')).toBe('precious')
  expect(await readdir(`${out}.partial`)).toContain('journal')
})

it('says that it is done only where it is this run', async () => {
  const out = fresh('done')
  await killedWhile('published', out)
  await cp(fresh('whole'), out, { recursive: true })
  const other = await run('compress', at.model, '--out', out, '--step', 'rtn(bits=2, group=8)', '--resume')
  expect(other.code).toBe(1)
  expect(other.err).toContain(`error RESUME The run in ${out}.partial was begun with another pipeline, calibration.`)
  expect((await json(...command(out, '--resume'))).out).toBe(out)
  expect(await readdir(at.folder)).not.toContain('done.partial')
})

it('is told from one that still runs', async () => {
  const out = fresh('busy')
  const first = run(...command(out))
  await unitOf(out, '0-0')
  for (const flag of ['--overwrite', '--resume']) {
    const { code, err } = await run('compress', at.model, '--out', out, '--step', 'rtn(bits=2, group=8)', flag)
    expect(code).toBe(1)
    expect(err).toContain(
      `error IN_USE Another run works in ${out}.partial: process ${process.pid}.\nWait until it ends, or choose another path`,
    )
  }
  expect(await first).toMatchObject({ code: 0 })
  expect(await weights(out)).toEqual(await weights(fresh('whole')))
})

it('does not keep others out when its process is gone', async () => {
  const out = fresh('dead')
  await stopAt(out, '0-0')
  await writeFile(join(`${out}.partial`, 'lock'), JSON.stringify({ pid: 1, began: 'before this machine' }))
  await json(...command(out, '--resume'))
  expect(await weights(out)).toEqual(await weights(fresh('whole')))
})
