import '@tensorflow/tfjs-backend-cpu'
import { rtn } from '@tersor/quantization'
import { openModel } from '@tersor/models'
import { toFloat32, type Dense } from '@tersor/tensor'
import { compress, decode } from '@tersor/core'
import { readFile } from 'node:fs/promises'
import { stripVTControlCharacters } from 'node:util'
import { json, run } from './command.fixture.js'
import { scene } from './scene.fixture.js'

const { at, fresh } = scene({ layers: 2 })
const small = () => fresh('small')

beforeAll(async () => {
  await json('compress', at.model, '--out', small(), '--step', 'rtn(bits=3, group=8)')
})

/** ‖W − Ŵ‖² / ‖W‖² in plain loops. */
const errorOf = (was: ArrayLike<number>, is: ArrayLike<number>): number => {
  let [difference, norm] = [0, 0]
  for (let i = 0; i < was.length; i++) {
    difference += (was[i] - is[i]) ** 2
    norm += was[i] ** 2
  }
  return difference / norm
}

describe('compare', () => {
  it('says what evaluate says, the size on the disk and the layer that changed most', async () => {
    const { models } = await json('compare', at.model, small(), '--data', at.text)
    const [first, second] = models
    expect(first.perplexity).toBeCloseTo((await json('evaluate', at.model, '--data', at.text)).perplexity, 2)
    expect(second.perplexity).toBeCloseTo((await json('evaluate', small(), '--data', at.text)).perplexity, 2)
    const { kl } = await json('evaluate', small(), '--data', at.text, '--metric', 'kl', '--reference', at.model)
    expect(second.kl).toBeCloseTo(kl, 5)
    expect(second.flips).toBeGreaterThan(0)
    expect(first).not.toHaveProperty('flips')
    expect(second.bytes).toBe((await readFile(`${small()}/model.safetensors`)).length)
    expect(second.tokensPerSecond).toBeGreaterThan(0)
    const before = await openModel(at.model)
    const after = await openModel(small())
    const name = `${second.worst.layer}.weight`
    const decoded = decode(await after.params.read(name))
    expect(second.worst.error).toBeCloseTo(errorOf(toFloat32((await before.params.read(name)) as Dense), await decoded.data()), 6)
    decoded.dispose()
    await before.close?.()
    await after.close?.()
  })

  it('finds no loss between a model and itself, and names no worst layer where weights were moved about', async () => {
    const { models } = await json('compare', at.model, at.model, '--data', at.text, '--timed', '0')
    expect(models[1]).toMatchObject({ kl: 0, flips: 0, perplexity: models[0].perplexity })
    expect(models[1]).not.toHaveProperty('worst')
    expect(models[1]).not.toHaveProperty('tokensPerSecond')
    await json('compress', at.model, '--out', fresh('turned'), '--step', 'hadamard', '--step', 'rtn(bits=8, group=8)')
    const turned = await json('compare', at.model, fresh('turned'), '--timed', '0')
    expect(turned.models[1]).not.toHaveProperty('worst')
    expect(turned.models[1]).not.toHaveProperty('kl') // no text was given
  })

  it('writes tables and a page that need nothing else, and fits the terminal', async () => {
    const [csv, html] = [fresh('table.csv'), fresh('page.html')]
    for (const columns of [60, 80, 100]) {
      const argv = ['compare', at.model, small(), '--data', at.text, '--timed', '2', '--csv', csv, '--html', html]
      const { code, out } = await run(argv, columns)
      expect(code).toBe(0)
      expect(Math.max(...out.split('\n').map(line => stripVTControlCharacters(line).length))).toBeLessThanOrEqual(columns)
    }
    const [head, ...rows] = (await readFile(csv, 'utf8')).trimEnd().split('\n')
    expect(head).toBe('model,bytes,bitsPerWeight,perplexity,kl,flips,tokensPerSecond,worstLayer,worstError')
    expect(rows).toHaveLength(2)
    const page = await readFile(html, 'utf8')
    expect(page).toContain('<svg role="img"')
    expect(page).toContain('prefers-color-scheme: dark')
    expect(page).not.toMatch(/<script|<link|src="|href="/)
  })

  it('says what is wrong', async () => {
    expect((await run(['compare', at.model, '--data', fresh('none.txt')])).err).toContain('error NOT_FOUND')
    const { code, err } = await run(['compare', at.model, '--csv', fresh('no/such/table.csv'), '--timed', '0'])
    expect([code, err]).toEqual([1, expect.stringMatching(/error DISK .*table\.csv cannot be written: .*\nChoose another path/)])
    expect((await run(['compare'])).code).toBe(2)
  })
})

describe('sensitivity', () => {
  it('compresses one layer and leaves the others', async () => {
    const { layers } = await json('sensitivity', at.model, '--data', at.text, '--step', 'rtn(bits=2, group=8)', '--step', 'rtn(bits=8)')
    expect(layers).toHaveLength(28)
    expect(layers[0]).toMatchObject({ layer: 'model.layers.0.self_attn.q_proj', step: 'rtn(bits=2, group=8)' })
    const of = (layer: string, step: string) => layers.find((row: any) => row.layer === layer && row.step === step)
    const [rough, fine] = [of('model.layers.1.mlp.down_proj', 'rtn(bits=2, group=8)'), of('model.layers.1.mlp.down_proj', 'rtn(bits=8)')]
    expect(rough.kl).toBeGreaterThan(fine.kl)
    expect(rough.error).toBeGreaterThan(fine.error)
    // one layer by `only` is the same model
    const model = await openModel(at.model)
    const only = await compress(model, rtn({ bits: 2, group: 8, only: 'model.layers.1.mlp.down_proj' }))
    const { comparePredictions, readDocuments, windowsOf } = await import('@tersor/evaluation')
    if (model.family !== 'language' || only.family !== 'language') throw new Error('It is a language model.')
    const windows = windowsOf(await readDocuments(at.text), model.tokenizer!, model.contextLength)
    expect(rough.kl).toBeCloseTo((await comparePredictions(only, model, windows)).kl, 6)
    await model.close?.()
  })

  it('refuses passes, which change several layers, and no step', async () => {
    const argv = ['sensitivity', at.model, '--data', at.text]
    expect(await run([...argv, '--step', 'hadamard'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('error BAD_OPTION hadamard rewrites several layers at once, so no layer of it can be looked at alone.'),
    })
    expect((await run(argv)).err).toContain('error BAD_OPTION No step was given to try.')
  })

  it('draws the layers', async () => {
    const html = fresh('layers.html')
    const { out } = await run(['sensitivity', at.model, '--data', at.text, '--step', 'rtn(bits=3)', '--html', html, '--tokens', '64'], 60)
    expect(Math.max(...out.split('\n').map(line => line.length))).toBeLessThanOrEqual(60)
    expect(await readFile(html, 'utf8')).toContain('model.layers.1.mlp.down_proj')
  })
})
