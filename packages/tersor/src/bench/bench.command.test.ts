import '@tensorflow/tfjs-backend-cpu'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { json, run } from '../command.fixture.js'
import { scene } from '../scene.fixture.js'
import { bundledModel } from './bundled-model.js'

const { at, fresh } = scene({ layers: 1 })
const on = () => ['--model', at.model, '--data', at.text]

/** A step as a person writes it, with nothing imported: it keeps what it is given. */
const MINE = `
const step: { kind: string; name: string } = { kind: 'method', name: 'mine' }
const description = { name: 'mine', kind: 'method', summary: 'keeps', options: {} }
export const mine = Object.assign(() => ({ ...step, apply: (_: unknown, { current }: { current: unknown }) => current }), { description })
`

it('compares a step with those of its kind at the same bits, the best first and its own marked', async () => {
  const { rows } = await json('bench', 'rtn(bits=3, group=8)', ...on())
  expect(rows[0]).toMatchObject({ steps: [], own: false, perplexity: expect.any(Number) })
  const tried = rows.slice(1)
  expect(tried.map((row: any) => row.steps.join(' + ')).sort()).toEqual([
    'hqq(bits=3, group=8)',
    'rtn(bits=3, group=8)',
    'rtn(bits=3, group=8)',
  ])
  const losses = tried.map((row: any) => row.kl)
  expect(losses).toEqual([...losses].sort((a, b) => a - b))
  const [mine, theirs] = [tried.find((row: any) => row.own), tried.find((row: any) => !row.own && row.steps[0].startsWith('rtn'))]
  expect({ ...theirs, own: true, seconds: mine.seconds }).toEqual(mine)
  expect(mine).toMatchObject({ bitsPerWeight: 3 + 16 / 8, seconds: expect.any(Number), error: expect.any(Number) })
})

it('lets rivals learn where a text is given, and says which it leaves out', async () => {
  const { code, out, err } = await run(
    ['bench', 'magnitude(sparsity=0.5)', '--model', at.model, '--csv', fresh('t.csv'), '--html', fresh('t.html')],
    100,
  )
  expect([code, err]).toEqual([0, expect.stringContaining('left out without --calibrate: wanda(sparsity=0.5), sparse-gpt(sparsity=0.5)')])
  expect(out).toMatch(/^> {2}magnitude\(sparsity=0\.5\)/m)
  expect(out).not.toContain('perplexity') // no text was given
  expect((await readFile(fresh('t.csv'), 'utf8')).split('\n')[0]).toBe('own,steps,bytes,bitsPerWeight,error,seconds')
  expect(await readFile(fresh('t.html'), 'utf8')).toContain('magnitude(sparsity=0.5)')
  const { rows } = await json('bench', 'magnitude(sparsity=0.5)', '--model', at.model, '--calibrate', at.text)
  expect(rows.flatMap((row: any) => row.steps)).toEqual(expect.arrayContaining(['wanda(sparsity=0.5)', 'sparse-gpt(sparsity=0.5)']))
})

it('takes a step from a TypeScript file and rivals that are named', async () => {
  await writeFile(fresh('mine.ts'), MINE)
  const { rows } = await json('bench', `${fresh('mine.ts')}:mine()`, ...on(), '--against', 'hadamard() + rtn(bits=4, group=8)')
  expect(rows.map((row: any) => row.steps.length)).toEqual([0, 1, 2])
  expect(rows[1]).toMatchObject({ own: true, kl: 0, flips: 0 })
  const alone = await run(['bench', `${fresh('mine.ts')}:mine()`, ...on()])
  expect([alone.code, alone.err]).toEqual([0, expect.stringContaining('name its rivals by --against')])
})

it.each([60, 80, 100])('keeps its table within %d columns', async columns => {
  const { out } = await run(['bench', 'rtn(bits=2, group=8)', ...on(), '--against', 'hqq(bits=2, group=8)'], columns)
  expect(out).toMatch(/^> /m)
  expect(Math.max(...out.split('\n').map(line => line.length))).toBeLessThanOrEqual(columns)
})

it('says what is wrong in two lines', async () => {
  const refused = async (...argv: string[]) => {
    const { code, out, err } = await run(['bench', ...argv, '--quiet'])
    expect([code === 0, out]).toEqual([false, ''])
    return err
  }
  expect(await refused('rtn(bits=9)', ...on())).toContain('rtn got bits = 9.')
  expect(await refused('eora(rank=2)', ...on())).toMatch(/error COMPOSITION.*eora\(rank=2\) did not run: .*\n.*--debug/)
  expect(await refused('./nowhere.ts:mine()', ...on())).toMatch(
    /The file "\.\/nowhere\.ts" cannot be imported.*\n.*Pass its path from this folder/,
  )
})

it('finds the bundled model from within a clone, and asks for one elsewhere', async () => {
  await mkdir(fresh('examples/bundled-model/model'), { recursive: true })
  const found = await bundledModel(fresh('packages/mine'))
  expect(found).toEqual({
    model: fresh('examples/bundled-model/model'),
    data: [fresh('examples/bundled-model/text/validation.txt')],
    calibrate: [fresh('examples/bundled-model/text/calibration.txt')],
  })
  expect(await bundledModel('/')).toBeUndefined()
})
