import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installedMethods } from '../installed-methods.js'
import { listMethods, makeStep } from '../methods.js'
import { parseStep } from '../step.js'
import { run } from '../command.fixture.js'

it('shows one in full: options with text, default and range, and an example in double quotes', async () => {
  const { out } = await run(['methods', 'gptq'], 80)
  expect(out).toContain('gptq  method of @tersor/quantization\n')
  expect(out).toContain('  bits  default 4\n      an integer from 1 to 8: bits of a code\n')
  expect(out).toContain('Frantar et al. 2022')
  expect(out).toContain('Example\n  tersor compress MODEL --out DIR --step "gptq(bits=4, symmetric=true)"\n')
})

it('takes other spellings, and asks about what is near', async () => {
  expect((await run(['methods', 'sparseGpt'])).out).toContain('sparse-gpt  method of')
  expect((await run(['methods', 'snap-kv'])).out).toContain('tersor generate MODEL --prompt TEXT --cache "snap-kv(')
  const { code, err } = await run(['methods', 'gptg'])
  expect({ code, err }).toMatchObject({ code: 2, err: expect.stringContaining('Nothing is called "gptg".\nDid you mean gptq? ') })
})

it.each([60, 80, 100])('stays within %d columns', async columns => {
  const { out } = await run(['methods'], columns)
  expect(Math.max(...out.split('\n').map(line => line.length))).toBeLessThanOrEqual(columns)
})

it('gives examples that can be made', async () => {
  for (const { factory } of listMethods().filter(each => ['method', 'pass'].includes(each.factory.description.kind))) {
    const { out } = await run(['methods', factory.description.name])
    const [, call] = /--step "(.*)"\n/.exec(out)!
    await makeStep(call, '.')
  }
})

it('lists packages of others that are installed, and says which cannot be imported', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tersor-installed-'))
  const place = async (name: string, code: string, keywords = ['tersor-method']): Promise<void> => {
    await mkdir(join(folder, 'node_modules', name), { recursive: true })
    await writeFile(join(folder, 'node_modules', name, 'package.json'), JSON.stringify({ name, keywords, main: 'index.js' }))
    await writeFile(join(folder, 'node_modules', name, 'index.js'), code)
  }
  const code = "exports.mine = Object.assign(() => ({}), { description: { name: 'mine', kind: 'method', summary: 's', options: {} } })"
  await place('tersor-mine', code)
  await place('@me/tersor-other', code)
  await place('tersor-broken', 'throw new Error("no")')
  await place('tersor-theme', code, [])
  const { methods, broken } = await installedMethods(join(folder, 'deep'))
  expect(methods.map(each => [each.package, each.factory.description.name])).toEqual([['@me/tersor-other', 'mine'], ['tersor-mine', 'mine']]) // prettier-ignore
  expect(broken).toEqual([expect.stringContaining('The package "tersor-broken" cannot be imported: no')])
  await rm(folder, { recursive: true })
})

it.each([
  ['sparseGpt(pattern=2:4)', 'sparse-gpt', { pattern: '2:4' }],
  ['GPTQ(Bits=4, act_order=yes, granularity=Row)', 'gptq', { bits: 4, actOrder: true, granularity: 'row' }],
  ['gptq(act-order=off)', 'gptq', { actOrder: false }],
  ['rtn(only={a,b}.mlp, except=/(up|down), x/)', 'rtn', { only: '{a,b}.mlp', except: '/(up|down), x/' }],
  ['rtn(only=[*.up_proj, !*.0.*])', 'rtn', { only: ['*.up_proj', '!*.0.*'] }],
  ['rules(rtn(bits=8, only=*.down_proj), nf4())', 'mixed', { methods: [{ name: 'rtn' }, { name: 'nf4' }] }],
])('forgives %s', async (source, name, options) => {
  expect(await makeStep(source, '.')).toMatchObject({ name, options })
})

it.each([
  ['gptg()', 'No step is called "gptg".\nDid you mean gptq? Known are '],
  ['gptq(bit=4)', 'gptq has no option "bit".\nDid you mean bits? Its options are bits (an integer from 1 to 8), '],
  ['gptq(granularity=rows)', 'gptq got granularity = "rows".\nDid you mean row? Pass tensor | row | group: '],
  ['gptq(actOrder=maybe)', 'gptq got actOrder = "maybe".\nPass true | false: '],
  ['gptq(act_order=yes, actOrder=no)', 'gptq is given actOrder twice.'],
  ['gptq(rtn())', 'gptq is given rtn without a name.\nWrite options as name=value,'],
])('refuses %s', async (source, message) => {
  await expect(makeStep(source, '.')).rejects.toMatchObject({ message: expect.stringContaining(message) })
})

it('forgives words of options of the command line', async () => {
  expect((await run(['convert', 'nothing', '--out', 'x', '--format', 'Hugging-Face'])).err).toContain('There is nothing at nothing.')
  const { code, err } = await run(['convert', 'nothing', '--out', 'x', '--format', 'ggfu'])
  expect({ code, err }).toMatchObject({
    code: 2,
    err: expect.stringContaining('Did you mean gguf? Allowed choices are huggingface, gguf, '),
  })
  expect((await run(['convert', 'nothing', '--out', 'x', '--typ', 'f16'])).err).toContain("unknown option '--typ'\n(Did you mean --type?)")
  expect((await run(['compres', 'nothing'])).err).toContain("unknown command 'compres'\n(Did you mean compress?)")
  expect((await run(['convert', 'nothing', '--out', 'x', '--type', 'q4_k_n'])).err).toContain('There is no type "q4_k_n".\nDid you mean Q4_K_S? Types are f32, ') // prettier-ignore
})

it('reads names of patterns with commas in braces and expressions as one value', () => {
  expect(parseStep('x(only={a,b}, bits=4)').options).toEqual({ only: '{a,b}', bits: 4 })
  expect(parseStep('x(only=[/a(b|c)/, !/d,e/i])').options).toEqual({ only: ['/a(b|c)/', '!/d,e/i'] })
  expect(parseStep('x(only=/net/Conv_1)').options).toEqual({ only: '/net/Conv_1' })
})
