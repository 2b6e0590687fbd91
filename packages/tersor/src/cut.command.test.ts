import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { json, run } from './command.fixture.js'
import { scene } from './scene.fixture.js'

const { at, fresh } = scene({ layers: 2 })

const weightsOf = (folder: string): Promise<Buffer> => readFile(join(folder, 'model.safetensors'))

const sorted = async (name: string, ...more: string[]): Promise<string> => {
  const out = fresh(name)
  const step = 'uniql(multiple=4, pairs=1, shares=equal)'
  const { code, err } = await run(['compress', at.model, '--step', step, ...more, '--calibrate', at.text, '--out', out, '--quiet'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return out
}

it('sorts, and measures, continues and writes at any share, of which the recipe tells', async () => {
  const path = await sorted('sorted')
  const [whole, half] = [await json('evaluate', path, '--data', at.text), await json('evaluate', path, '--data', at.text, '--cut', '0.5')]
  const before = await json('evaluate', at.model, '--data', at.text)
  expect(whole.perplexity / before.perplexity).toBeCloseTo(1, 4)
  expect(half.perplexity).not.toBe(whole.perplexity)

  const out = fresh('half')
  await json('convert', path, '--cut', '0.5', '--out', out)
  expect((await json('evaluate', out, '--data', at.text)).perplexity).toBe(half.perplexity)
  expect((await json('inspect', out)).parameters).toBeLessThan((await json('inspect', path)).parameters)
  const said = await json('generate', path, '--cut', '0.5', '--prompt', 'the', '--tokens', '4')
  expect(await json('generate', out, '--prompt', 'the', '--tokens', '4')).toMatchObject({ text: said.text })

  expect((await run(['repeat', out, '--out', fresh('again')])).code).toBe(0)
  expect(await weightsOf(fresh('again'))).toEqual(await weightsOf(out))
  expect(JSON.parse(await readFile(join(out, 'tersor.recipe.json'), 'utf8'))).toMatchObject({ cut: 0.5, steps: [] })
})

it('runs steps on a share, by flags and by a config alike, and makes their bytes again', async () => {
  const path = await sorted('for-steps')
  const [flagged, configured, file] = [fresh('flagged'), fresh('configured'), fresh('cut.json')]
  await json('compress', path, '--cut', '0.5', '--step', 'rtn(bits=4)', '--out', flagged)
  await writeFile(file, JSON.stringify({ model: path, cut: 0.5, steps: 'rtn(bits=4)', out: configured }))
  await json('compress', '--config', file)
  expect(await weightsOf(configured)).toEqual(await weightsOf(flagged))
  expect((await run(['repeat', flagged, '--out', fresh('flagged-again')])).code).toBe(0)
  expect(await weightsOf(fresh('flagged-again'))).toEqual(await weightsOf(flagged))
})

it.each([
  ['a model that is not sorted', () => ['convert', at.model, '--cut', '0.5'], 1, /in no order of their worth.*\nSort it first/],
  ['a share that is none', () => ['convert', at.model, '--cut', '1.5'], 2, /Expected a number above 0, 1 at most/],
  ['an empty one', () => ['evaluate', at.model, '--data', at.text, '--cut', ''], 2, /Expected a number above 0/],
])('refuses %s, and writes nothing', async (_what, words, exit, said) => {
  const { code, err } = await run([...words(), ...(words()[0] === 'convert' ? ['--out', fresh('none')] : [])])
  expect({ code, err }).toEqual({ code: exit, err: expect.stringMatching(said) })
  await expect(weightsOf(fresh('none'))).rejects.toThrow('ENOENT')
})
