import '@tensorflow/tfjs-backend-cpu'
import { rules, sitesOf, type Model } from '@tersor/core'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { picoLlama } from '@tersor/models'
import { rtn } from '@tersor/quantization'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ruleNotes } from './rule-notes.js'
import { json, run } from '../command.fixture.js'

let folder = ''
let model = ''
beforeAll(async () => {
  process.env.TERSOR_ENGINE = 'ort'
  folder = await mkdtemp(join(tmpdir(), 'tersor-plan-'))
  model = join(folder, 'pico')
  const pico = picoLlama({ dtype: 'bf16', context: 32, seed: 3 })
  const sink = huggingFaceSink(model, { config: pico.rawConfig })
  for (const name of pico.params.names()) await sink.write(name, await pico.params.read(name))
  await (await sink.finish()).close?.()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it.each([
  [['--step', 'rtn(bits=4, group=16)']],
  [['--step', 'magnitude(sparsity=0.5)', '--step', 'rtn(bits=8, granularity=row, symmetric=no)']],
  [['--step', 'svd(rank=4)']],
  [['--step', 'nf4(only=[*, !lm_head])']],
  [['--step', 'rules(gptq(bits=8, only=*.down_proj), gptq(bits=3, group=16))', '--dtype', 'f32']],
  [['--for', 'llama.cpp']],
  [['--for', 'vllm', '--bits', '16', '--dtype', 'f16']],
])('foresees the bytes of every tensor: %j', async flags => {
  const planned = await json('plan', model, ...flags)
  const out = join(folder, `out-${(await readdir(folder)).length}`)
  const written = flags.map(flag => flag.replaceAll('gptq', 'rtn')) // stored alike, and needs no text
  const done = await json('compress', model, '--out', out, ...written)
  const { tensors } = await json('inspect', done.out)
  const actual = Object.fromEntries(tensors.map(({ name, bytes }: any) => [name, bytes]))
  const off = planned.tensors.filter(({ name, bytes }: any) => Math.abs(bytes - actual[name]) > 0.02 * actual[name] + 8)
  expect(off.map(({ name, bytes }: any) => [name, bytes, actual[name]])).toEqual([])
})

it('reads no weight: not even one that no step could round', async () => {
  const [broken, path] = [join(folder, 'broken'), join(folder, 'broken/model.safetensors')]
  await cp(model, broken, { recursive: true })
  const bytes = await readFile(path)
  await writeFile(path, bytes.fill(0xff, 8 + Number(bytes.readBigUInt64LE(0)))) // NaN, all of them
  const planned = await json('plan', broken, '--step', 'rtn(bits=4, group=16)')
  expect(planned).toEqual({
    ...(await json('plan', model, '--step', 'rtn(bits=4, group=16)')),
    seconds: planned.seconds,
    tensors: planned.tensors,
  })
  expect(planned.memory).toBeGreaterThan(300 * 2 ** 20)
  expect((await run(['compress', broken, '--out', join(folder, 'n'), '--step', 'rtn(bits=4, group=16)'])).err).toContain('error NOT_FINITE')
})

it.each([60, 80, 100])('says who gets what within %d columns', async columns => {
  const { out } = await run(['plan', model, '--step', 'rules(rtn(bits=8, group=16, only=*.down_proj), rtn(bits=3, group=8))'], columns)
  expect(Math.max(...out.split('\n').map(line => line.length))).toBeLessThanOrEqual(columns)
  expect(out).toMatch(/down_proj\.weight .*rtn\(bits=8, /)
  expect(out).toMatch(/ed_tokens\.weight .*stays/)
  expect(out).toMatch(/huggingface {2}[\d.]+ kB → [\d.]+ kB {2}[\d.]+ bits\/weight/)
})

it('says which patterns match nothing, and what was meant', async () => {
  const of = { stages: picoLlama().stages } as Model
  expect(sitesOf(of).length).toBeGreaterThan(0)
  const step = rules(rtn({ only: ['*.down_prj', '*.up_proj'] }), rtn({ except: ['/nowhere/', '*.zzzzzzzzz'] }))
  expect(ruleNotes(of, [step])).toEqual([
    'rtn: only = "*.down_prj" matches no site; did you mean "*.down_proj"?',
    'rtn: except = "/nowhere/" matches no site',
    'rtn: except = "*.zzzzzzzzz" matches no site',
  ])
  const { err } = await run(['compress', model, '--out', join(folder, 'never'), '--step', 'rtn(only=*.q_prj)'])
  expect(err).toContain(
    'note rtn: only = "*.q_prj" matches no site; did you mean "*.q_proj"?\nerror NOT_FOUND rtn finds no site to work on with only = "*.q_prj".',
  )
})

it('says of passes that they are not foreseen', async () => {
  expect((await run(['plan', model, '--step', 'hadamard()', '--step', 'rtn(bits=4)'])).err).toContain(
    'sizes are without what hadamard makes of the model',
  )
})
