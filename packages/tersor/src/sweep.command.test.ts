import '@tensorflow/tfjs-backend-cpu'
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { json, run } from './command.fixture.js'
import { scene } from './scene.fixture.js'
import { sweepModels, type SweepRequest } from './sweep-models.js'
import { withBest } from './swept-model.js'
import { sweptSteps } from './swept-steps.js'
import type { Terminal } from './output.js'
import { PassThrough } from 'node:stream'

const { at, fresh } = scene({ layers: 1 })
const quiet: Terminal = { out: new PassThrough(), err: new PassThrough(), json: false, quiet: true, debug: false, colors: false }

describe('sweptSteps', () => {
  it('makes every combination, in the order in which they are written', () => {
    expect(sweptSteps(['rtn(bits=[2,4], group=[8,16])', 'eora(rank=2)'])).toEqual([
      ['rtn(bits=2, group=8)', 'eora(rank=2)'],
      ['rtn(bits=2, group=16)', 'eora(rank=2)'],
      ['rtn(bits=4, group=8)', 'eora(rank=2)'],
      ['rtn(bits=4, group=16)', 'eora(rank=2)'],
    ])
  })

  it('leaves alone what takes a list by itself, and goes into calls', () => {
    expect(sweptSteps(['mixed(methods=[rtn(bits=8), gptq])'])).toEqual([['mixed(methods=[rtn(bits=8), gptq])']])
    expect(sweptSteps(['quantize-activations(observer=percentile(percentile=[0.9, 0.99]))']).flat()).toEqual([
      'quantize-activations(observer=percentile(percentile=0.9))',
      'quantize-activations(observer=percentile(percentile=0.99))',
    ])
    expect(sweptSteps(['rtn(only="a, b")', 'tersor-x:y(z=true)'])).toEqual([['rtn(only="a, b")', 'tersor-x:y(z=true)']])
  })
})

it('calls best what no other beats in size and loss', () => {
  const row = (bytes: number, kl: number) => ({ steps: [`${bytes}`], bytes, kl })
  const rows = withBest([row(10, 0.1), row(8, 0.2), row(9, 0.3), row(10, 0.2), { steps: ['x'], failed: 'no' }])
  expect(rows.map(({ best }) => best)).toEqual([true, true, false, false, false])
})

/** Three choices of bits and two of groups, stopped behind the first row and once more, as a kill leaves them. */
const request = (): SweepRequest => ({
  ...{
    data: [at.text],
    calibrate: [],
    step: ['rtn(bits=[2,3,4], group=[8,16])'],
    tokens: 128,
    format: 'huggingface',
    seed: 0,
    journal: fresh('journal'),
  },
})

const sweep = (stopAt = Infinity, asked = request()) => {
  const controller = new AbortController()
  const onAdvance = (done: number): void => {
    if (done === stopAt) controller.abort(new Error('stopped'))
  }
  return sweepModels(quiet, at.model, asked, { signal: controller.signal, onProgress: () => {}, onAdvance })
}

it('goes on after a stop, twice, to the same table', async () => {
  const whole = await sweep()
  expect(whole.map(({ steps }) => steps)).toEqual([[], ...sweptSteps(request().step)])
  expect(await readdir(at.folder)).not.toContain('journal')
  await expect(sweep(1)).rejects.toThrow('stopped')
  expect((await readFile(fresh('journal'), 'utf8')).trimEnd().split('\n')).toHaveLength(2)
  await appendFile(fresh('journal'), '{"steps":["rtn(bits=2, gro') // a kill cuts a line off
  await expect(sweep(4)).rejects.toThrow('stopped')
  const begun: string[] = []
  const again = await sweepModels(quiet, at.model, request(), {
    signal: new AbortController().signal,
    onProgress: event => event.type === 'pass' && event.pass === 'rtn' && begun.push(event.pass),
    onAdvance: () => {},
  })
  expect(again).toEqual(whole)
  expect(begun).toHaveLength(2) // the others were taken from the journal
  expect(await readdir(at.folder)).not.toContain('journal')
})

it('takes no rows of another sweep', async () => {
  await expect(sweep(1)).rejects.toThrow('stopped')
  await expect(sweep(Infinity, { ...request(), seed: 1 })).rejects.toMatchObject({
    code: 'RESUME',
    message: expect.stringContaining('holds the rows of another sweep.\nRun the sweep that it is of'),
  })
  await writeFile(fresh('journal'), 'a text of mine\n')
  await expect(sweep()).rejects.toMatchObject({ code: 'RESUME' })
  expect(await readFile(fresh('journal'), 'utf8')).toBe('a text of mine\n')
})

it('tells which choices are worth it, and which could not be made', async () => {
  const argv = ['sweep', at.model, '--data', at.text, '--tokens', '64', '--journal', fresh('other-journal')]
  const { rows } = await json(...argv, '--step', 'rtn(bits=[2,8], group=8)')
  expect(rows.map((row: any) => row.steps)).toEqual([[], ['rtn(bits=2, group=8)'], ['rtn(bits=8, group=8)']])
  expect(rows[1].bytes).toBeLessThan(rows[2].bytes)
  expect(rows[1].kl).toBeGreaterThan(rows[2].kl)
  const { rows: refused } = await json(...argv, '--step', 'rtn(bits=4, only=[[model.layers.0.*], [no.such.*]])')
  expect(refused[1]).toMatchObject({ bytes: expect.any(Number) })
  expect(refused[2].failed).toContain('no.such.*')
  const { out, code } = await run([...argv, '--step', 'rtn(bits=[2,8], group=8)', '--html', fresh('sweep.html')], 60)
  expect(code).toBe(0)
  expect(Math.max(...out.split('\n').map(line => line.length))).toBeLessThanOrEqual(60)
  expect(await readFile(fresh('sweep.html'), 'utf8')).toContain('rtn(bits=8, group=8)')
})

it('says what is wrong before anything is done', async () => {
  const argv = ['sweep', at.model, '--data', at.text, '--quiet']
  const before = await readdir(at.folder)
  expect((await run(argv)).err).toContain('error BAD_OPTION No step was given to try.')
  expect((await run([...argv, '--step', 'rtn(bits=[2,99])'])).err).toContain('error BAD_OPTION rtn got bits = 99.')
  expect((await run([...argv, '--step', 'rtn(bits=2)', '--journal', fresh('no/journal')])).err).toMatch(
    /error DISK .*journal cannot be written/,
  )
  expect(await readdir(at.folder)).toEqual(before)
})
