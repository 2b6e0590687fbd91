import '@tensorflow/tfjs-backend-cpu'
import { createRng } from '@tersor/core'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { openModel, picoLlama, type PicoLlamaOptions } from '@tersor/models'
import { fromFloat32, type Dense, type Parameter } from '@tersor/tensor'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { byteTokenizerJson } from './byte-tokenizer.fixture.js'
import { json, runWords as run } from './command.fixture.js'

let folder = ''
let model = ''
let text = ''

const save = async (
  path: string,
  edit: (name: string, parameter: Parameter) => Parameter = (_name, parameter) => parameter,
  size: PicoLlamaOptions = {},
): Promise<void> => {
  const pico = picoLlama({ dtype: 'bf16', context: 32, seed: 3, ...size })
  const files = { 'tokenizer.json': new TextEncoder().encode(JSON.stringify(byteTokenizerJson())) }
  const sink = huggingFaceSink(path, { config: pico.rawConfig, files })
  for (const name of pico.params.names()) await sink.write(name, edit(name, await pico.params.read(name)))
  await (await sink.finish()).close?.()
}

beforeAll(async () => {
  process.env.TERSOR_ENGINE = 'ort'
  folder = await mkdtemp(join(tmpdir(), 'tersor-cli-'))
  model = join(folder, 'pico')
  text = join(folder, 'text.txt')
  await save(model)
  const rng = createRng(1)
  const words = Array.from({ length: 160 }, () => ['the', 'old', 'man', 'sea', 'and', 'boat'][rng.integer(6)])
  await writeFile(text, `${words.slice(0, 80).join(' ')}\n<|endoftext|>\n${words.slice(80).join(' ')}\n`)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const fresh = (name: string): string => join(folder, name)
const entries = () => readdir(folder)

it('inspects a model from its header', async () => {
  const result = await json('inspect', model)
  expect(result).toMatchObject({ architecture: 'llama', bytes: 2 * result.parameters })
  expect(result.tensors[0]).toMatchObject({
    name: expect.any(String),
    shape: expect.any(Array),
    dtype: 'bf16',
    bytes: expect.any(Number),
    bitsPerWeight: 16,
  })
  expect((await run('inspect', model)).out).toContain('model.layers.0.self_attn.q_proj.weight')
})

it('compresses with steps in order, reports them, and reads back to the same numbers', async () => {
  const out = fresh('small')
  const steps = ['--step', 'wanda(pattern=2:4)', '--step', 'gptq(bits=4, group=8)', '--step', 'eora(rank=2)', '--seed', '5']
  const result = await json('compress', model, '--out', out, '--calibrate', text, ...steps)
  expect(result).toMatchObject({ out, bytesBefore: expect.any(Number), bitsPerWeight: expect.any(Number), seconds: expect.any(Number) })
  expect(result.steps.map((step: any) => [step.method, step.sites])).toEqual([['wanda', 14], ['gptq', 14], ['eora', 14]]) // prettier-ignore
  expect(result.steps[1].options).toMatchObject({ bits: 4, group: 8 })
  expect(result.steps[0].error).toBeGreaterThan(0)
  const opened = await openModel(out)
  expect(opened.provenance).toMatchObject([{ method: 'wanda', seed: 5 }, { method: 'gptq' }, { method: 'eora' }, { method: 'pack' }])
  await opened.close?.()
  const again = fresh('small-again')
  await json('compress', model, '--out', again, '--calibrate', text, ...steps)
  expect(await readFile(join(again, 'model.safetensors'))).toEqual(await readFile(join(out, 'model.safetensors')))
})

it('writes GGUF that measures the same as the folder', async () => {
  const [folderOut, file] = [fresh('eight'), fresh('eight-gguf')]
  await json('compress', model, '--out', folderOut, '--step', 'rtn(bits=8, group=32)')
  const { out } = await json('compress', model, '--out', file, '--step', 'rtn(bits=8, group=32)', '--format', 'gguf')
  expect(out).toBe(join(file, 'model.gguf'))
  const [a, b] = [await json('evaluate', folderOut, '--data', text), await json('evaluate', out, '--data', text)]
  expect(b.tokens).toBe(a.tokens)
  expect(b.perplexity / a.perplexity).toBeCloseTo(1, 3)
})

it('calls block types by their names', async () => {
  await json('convert', model, '--out', fresh('blocks.gguf'), '--type', 'iq4_nl')
  const { tensors } = await json('inspect', fresh('blocks.gguf'))
  expect(tensors.find(({ name }: any) => name.endsWith('q_proj.weight'))).toMatchObject({ storedAs: 'iq4_nl', bitsPerWeight: 4.5 })
  expect((await run('inspect', fresh('blocks.gguf'))).out).toMatch(/q_proj\.weight +iq4_nl/)
})

it('measures perplexity and divergence', async () => {
  const own = await json('evaluate', model, '--data', text)
  expect(own.perplexity).toBeGreaterThan(1)
  const kl = await json('evaluate', model, '--data', text, '--metric', 'kl', '--reference', model)
  expect(kl).toEqual({ kl: expect.closeTo(0, 6), tokens: expect.any(Number) })
})

it('keeps the cache small where it is told how', async () => {
  const endless = ['--cache', 'snap-kv(keep=12, recent=4)', '--cache', 'streaming-llm(window=16, slack=4, positions=compact)']
  const { text: long, tokens } = await json('generate', model, '--prompt', 'the old man and the sea', '--tokens', '60', ...endless)
  expect(tokens).toBe(60) // the context ends at 32
  expect((await json('generate', model, '--prompt', 'the old man and the sea', '--tokens', '60', ...endless)).text).toBe(long)
  const measured = await json('evaluate', model, '--data', text, '--cache', 'random(keep=4)')
  const whole = await json('evaluate', model, '--data', text, '--cache', 'random(keep=1)')
  expect(measured.tokens).toBe(whole.tokens)
  expect(measured.cacheBytes).toBeLessThan(whole.cacheBytes)
  const coded = await json('evaluate', model, '--data', text, '--cache', 'rotated(encoding=int4(recent=2, block=2))')
  expect(coded.cacheBytes).toBeLessThan(whole.cacheBytes)
  const { err } = await run('generate', model, '--prompt', 'the', '--cache', 'snap(keep=4)')
  expect(err).toContain(
    'No policy, rewrite, encoding is called "snap".\nDid you mean snap-kv? Known are streaming-llm, h2o, tova, snap-kv,',
  )
  expect((await run('evaluate', model, '--data', text, '--metric', 'kl', '--reference', model, '--cache', 'random(keep=4)')).err).toContain(
    'kl reads no text through a cache.',
  )
})

it('saves a session and goes on from it', async () => {
  const file = join(folder, 'session.safetensors')
  const cache = ['--cache', 'streaming-llm(sinks=2, window=20, slack=4, positions=compact)']
  const first = await json('generate', model, '--prompt', 'the old', '--tokens', '6', ...cache, '--save-session', file)
  expect(first.tokens).toBe(6)
  const more = ['generate', model, '--prompt', ' and', '--tokens', '30', ...cache, '--load-session', file] as const
  const second = await json(...more)
  expect(second.tokens).toBe(30)
  expect(await json(...more, '--save-session', file)).toMatchObject({ text: second.text })
  expect((await json(...more)).text).not.toBe(second.text) // it went on from there
  expect((await run('generate', model, '--prompt', ' and', '--load-session', file)).err).toContain('was kept small by another plan')
  expect((await run('generate', model, '--prompt', ' and', '--load-session', text)).code).toBe(1)
})

it('saves a session as a stream, which takes a fraction of the bytes, and goes on from it', async () => {
  const [full, small] = ['full', 'small'].map(name => join(folder, `${name}-session.safetensors`))
  const storage = ['--session-storage', 'cache-gen(level=1)']
  const begun = ['generate', model, '--prompt', 'the old man and the sea', '--tokens', '2', '--save-session'] as const
  await json(...begun, full)
  await json(...begun, small, ...storage)
  const sizes = await Promise.all([full, small].map(async path => (await stat(path)).size))
  expect(sizes[1]).toBeLessThan(0.75 * sizes[0]) // names and tables weigh in so small a file
  expect((await json('generate', model, '--prompt', ' and', '--tokens', '2', '--load-session', small, ...storage)).tokens).toBe(2)
  const { err } = await run('generate', model, '--prompt', ' and', '--load-session', small)
  expect(err).toContain('is stored by cache-gen(level=1, group=10, deltas=true, tables=auto).')
  expect((await run(...begun, small, '--session-storage', 'zip')).err).toContain('No storage is called "zip".\nKnown are cache-gen')
})

it('generates the same text for the same seed', async () => {
  const options = ['--prompt', 'the old', '--tokens', '8', '--temperature', '1', '--seed', '3']
  const first = await json('generate', model, ...options)
  expect(first).toMatchObject({ prompt: 'the old', tokens: 8 })
  expect((await json('generate', model, ...options)).text).toBe(first.text)
  expect((await run('generate', model, ...options, '--quiet')).out).toBe(`${first.text}\n`)
  expect((await json('generate', model, ...options, '--activations', 'int8')).text).toBe(first.text) // nothing is quantized here
  expect((await run('generate', model, ...options, '--activations', 'int4')).code).toBe(2)
})

it('lists every method with its options and paper', async () => {
  const listed = await json('methods')
  expect(listed.map((method: any) => method.name)).toEqual(
    expect.arrayContaining(['magnitude', 'wanda', 'sparse-gpt', 'rtn', 'gptq', 'svd', 'eora', 'pack']),
  )
  expect(listed.find((method: any) => method.name === 'gptq')).toMatchObject({
    package: '@tersor/quantization',
    kind: 'method',
    paper: { year: 2022 },
    options: { bits: { default: 4 } },
  })
})

describe('wrong usage exits with 2', () => {
  it.each([
    [['compress', 'MODEL', '--step', 'rtn'], "required option '--out <path>' not specified"],
    [['compress', 'MODEL', '--out', 'OUT'], 'error BAD_OPTION No step was given.\nPass --for RUNTIME'],
    [['compress', 'MODEL', '--out', 'OUT', '--step', 'prune(x=1)'], 'error UNKNOWN_METHOD No step is called "prune".\nKnown are '],
    [['compress', 'MODEL', '--out', 'OUT', '--step', 'rtn(bits=99)'], 'error BAD_OPTION rtn got bits = 99.\nPass an integer from 1 to 8'],
    [
      ['compress', 'MODEL', '--out', 'OUT', '--step', 'rtn(bitz=4)'],
      'error BAD_OPTION rtn has no option "bitz".\nDid you mean bits? Its options are bits',
    ],
    [['compress', 'MODEL', '--out', 'OUT', '--step', 'rtn', '--format', 'tflite'], 'Allowed choices are huggingface, gguf'],
    [['compress', 'MODEL', '--out', 'OUT', '--step', 'rtn', '--seed', 'x'], 'Expected a whole number of at least 0'],
    [['evaluate', 'MODEL', '--data', 'TEXT', '--metric', 'top1'], 'error BAD_OPTION top1 does not measure a model of the kind language.'],
    [['evaluate', 'MODEL', '--data', 'TEXT', '--metric', 'kl'], 'error BAD_OPTION kl compares with a reference, and none was given.'],
    [['destroy'], "unknown command 'destroy'"],
  ])('%p', async (argv, message) => {
    const before = await entries()
    const { code, err } = await run(
      ...argv.map(word => ({ MODEL: model, OUT: fresh('never'), TEXT: text })[word] ?? word),
      ...(argv[0] === 'destroy' ? [] : ['--quiet']),
    )
    expect(err).toContain(message)
    expect(code).toBe(2)
    expect(await entries()).toEqual(before)
  })
})

describe('a failure exits with 1, says two lines and leaves nothing', () => {
  const fails = async (argv: string[], message: string): Promise<void> => {
    const before = await entries()
    const { code, err, out } = await run(...argv, '--quiet', '--json')
    expect(err).toContain(message)
    expect(err.trimEnd().split('\n')).toHaveLength(2)
    expect(code).toBe(1)
    expect(JSON.parse(out).error.code).toBe(/error (\w+)/.exec(err)![1])
    expect(await entries()).toEqual(before)
  }
  const compressed = (path: string, ...more: string[]) => [
    'compress',
    path,
    '--out',
    fresh('never'),
    '--step',
    'rtn(bits=4, group=8)',
    ...more,
  ]
  const broken = async (name: string, edit: (path: string) => Promise<void>): Promise<string> => {
    const path = fresh(name)
    await cp(model, path, { recursive: true })
    await edit(path)
    return path
  }

  it('nothing at the path', () => fails(compressed(fresh('nowhere')), 'error NOT_FOUND There is nothing at'))

  it('an output that exists', async () => {
    await mkdir(fresh('occupied'))
    await fails(['compress', model, '--out', fresh('occupied'), '--step', 'rtn'], 'error OUTPUT_EXISTS')
  })

  it('a truncated file', async () => {
    const path = await broken('truncated', where => truncate(join(where, 'model.safetensors'), 4000))
    await fails(compressed(path), 'error BAD_FILE')
  })

  it('a header longer than the file', async () => {
    const path = await broken('absurd', where =>
      writeFile(join(where, 'model.safetensors'), new Uint8Array([255, 255, 255, 255, 255, 0, 0, 0, 123, 125])),
    )
    await fails(compressed(path), 'error BAD_FILE')
  })

  it('a missing tensor', async () => {
    const path = fresh('missing')
    const pico = picoLlama({ context: 32 })
    const sink = huggingFaceSink(path, { config: pico.rawConfig })
    for (const name of pico.params.names().slice(1)) await sink.write(name, await pico.params.read(name))
    await (await sink.finish()).close?.()
    await fails(compressed(path), 'error NOT_FOUND')
  })

  it('weights that are not finite', async () => {
    const path = fresh('broken-weights')
    await save(path, (name, parameter) =>
      name.endsWith('1.mlp.up_proj.weight')
        ? fromFloat32(new Float32Array((parameter as Dense).bytes.length / 2).fill(NaN), 'bf16', parameter.shape)
        : parameter,
    )
    await fails(compressed(path), 'error NOT_FINITE Weight 0 of "model.layers.1.mlp.up_proj.weight" is NaN or infinite.')
  })

  it('calibration that is missing, empty or too short', async () => {
    const gptq = ['compress', model, '--out', fresh('never'), '--step', 'gptq(group=8)']
    await fails(gptq, 'error NO_CALIBRATION gptq learns from inputs')
    await writeFile(fresh('empty.txt'), ' \n')
    await fails([...gptq, '--calibrate', fresh('empty.txt')], 'error BAD_DATA')
    await writeFile(fresh('short.txt'), 'a few')
    await fails([...gptq, '--calibrate', fresh('short.txt')], 'error NO_CALIBRATION')
  })

  it('steps that cannot follow each other', () =>
    fails(compressed(model, '--step', 'magnitude'), 'error COMPOSITION magnitude at model.layers.0'))

  it('an image metric for a format without place', async () => fails(['evaluate', model, '--data', fresh('none.txt')], 'error NOT_FOUND'))
})

it('replaces an output only when told to', async () => {
  const out = fresh('twice')
  await json('compress', model, '--out', out, '--step', 'rtn(bits=8)')
  const { bytesAfter } = await json('compress', model, '--out', out, '--step', 'rtn(bits=2, group=16)', '--overwrite')
  expect((await stat(join(out, 'model.safetensors'))).size).toBe(bytesAfter)
  expect((await json('inspect', out)).bytes).toBeLessThan(bytesAfter)
})

it('shows the stack only with --debug', async () => {
  expect((await run('inspect', fresh('nowhere'), '--debug')).err).toContain('    at ')
  expect((await run('inspect', fresh('nowhere'))).err).not.toContain('    at ')
})

it('prints help and version with exit 0', async () => {
  expect(await run('--version')).toMatchObject({ code: 0, out: '0.1.0\n' })
  expect((await run('compress', '--help')).out).toContain('--calibrate <file>')
})

it('stops on Ctrl-C with exit 130 and leaves nothing where no stage is finished', async () => {
  const before = await entries()
  const running = run('compress', model, '--out', fresh('never'), '--calibrate', text, '--step', 'gptq(group=8)')
  setImmediate(() => process.emit('SIGINT'))
  const { code, err } = await running
  expect(err).toContain('Stopped; nothing was left behind.')
  expect(code).toBe(130)
  expect(await entries()).toEqual(before)
})

describe('what is taken for text', () => {
  const calibrated = (file: string) => run('compress', model, '--out', fresh('never'), '--calibrate', file, '--step', 'wanda()')
  it.each([
    [
      'random bytes',
      'x.parquet',
      Buffer.from(Array.from({ length: 2000 }, (_, i) => (i * 7919 + 13) % 256)),
      'is no Parquet file that can be read',
    ],
    ['text with null bytes', 'x.txt', Buffer.from('the old man\0'.repeat(90)), 'is no text'],
    [
      'a config',
      'package.json',
      Buffer.from(JSON.stringify({ name: 'the old man and the sea', words: 'the boat '.repeat(90) })),
      'holds settings, not texts',
    ],
    [
      'chats without a template',
      'chat.jsonl',
      Buffer.from(`${JSON.stringify({ messages: [{ role: 'user', content: 'the old man' }] })}\n`.repeat(40)),
      'line 1, is a chat, and the model has no chat template',
    ],
  ])('is not %s', async (_name, name, bytes, what) => {
    await writeFile(fresh(name), bytes)
    for (const result of [await calibrated(fresh(name)), await run('evaluate', model, '--data', fresh(name))]) {
      expect(result.code).toBe(1)
      expect(result.err).toMatch(new RegExp(`error BAD_DATA ${fresh(name)},? ${what}`))
    }
  })

  it('is all of it: documents that fill no window are joined, and what was read is said', async () => {
    const words = 'the old man and the sea '
    await writeFile(fresh('mixed.txt'), [...Array.from({ length: 20 }, () => words), words.repeat(4)].join('\n<|endoftext|>\n'))
    const { err } = await run('compress', model, '--out', fresh('mixed'), '--calibrate', fresh('mixed.txt'), '--step', 'wanda()')
    // 20 × 23 + 95 characters are so many tokens of a byte each, in windows of 32 and one of what is left
    expect(err).toContain('calibration: 555 tokens of mixed.txt (21 documents) in 18 windows\n  "the old man and the sea"')
  })
})

describe('chats', () => {
  it('are learned from and measured by the template of the model, as many and as long as asked for', async () => {
    const chats = fresh('chats')
    await save(chats)
    await writeFile(join(chats, 'chat_template.jinja'), "{% for m in messages %}{{ '<s>' + m.role + ' ' + m.content }}{% endfor %}")
    const rows = [1, 2, 3].map(i => JSON.stringify({ messages: [{ role: 'user', content: `Who is at sea ${i}?` }, { role: 'assistant', content: 'The old man.' }] })) // prettier-ignore
    await writeFile(fresh('chats.jsonl'), rows.join('\n'))
    const learn = ['--calibrate', fresh('chats.jsonl'), '--samples', '2', '--length', '16', '--shuffle', '--step', 'wanda()']
    const { code, err } = await run('compress', chats, '--out', fresh('from-chats'), ...learn)
    expect({ code, err }).toMatchObject({ code: 0, err: expect.stringContaining('calibration: 32 tokens of chats.jsonl (3 chats) in 2 windows: "<s>user Who is a…') }) // prettier-ignore
    const { tokens } = await json('evaluate', chats, '--data', fresh('chats.jsonl'))
    expect(tokens).toBe(3 * (1 + 21 + 1 + 22) - 3 - 3) // of each its second token and more; windows end at 32
    expect((await run('evaluate', chats, '--data', fresh('chats.jsonl'))).err).toContain(
      'data: 3 chats of chats.jsonl: "<s>user Who is at sea 1?',
    )
    const imatrix = await run('imatrix', chats, '--calibrate', fresh('chats.jsonl'), '--calibrate', text, '--out', fresh('chats.imatrix'))
    expect(imatrix).toMatchObject({ code: 0, err: expect.stringContaining('of 2 files (5 rows)') })
    expect(await run('compress', chats, '--out', fresh('n'), ...learn, '--length', '64', '--length', '64')).toMatchObject({ code: 2 })
    const long = await run('compress', chats, '--out', fresh('n'), '--calibrate', text, '--length', '64', '--step', 'wanda()')
    expect(long).toMatchObject({ code: 2, err: expect.stringContaining("--length 64 is not within 2 … 32, the model's context.\nPass --length with a number in between, or leave it out.") }) // prettier-ignore
  })
})

describe('what is taken for an option', () => {
  it('is given once where it holds one value', async () => {
    const { code, err } = await run('compress', model, '--out', fresh('n'), '--out', fresh('m'), '--step', 'wanda()')
    expect(code).toBe(2)
    expect(err).toContain("error: option '--out' is given 2 times, and holds one value.")
    expect((await run('compress', model, '--out', fresh('n'), '--step', 'x()', '--step', 'y()')).err).toContain('UNKNOWN_METHOD')
  })

  it('is an --out whose end names the format', async () => {
    const { out } = await json('convert', model, '--out', fresh('by-name.gguf'))
    expect(out).toBe(fresh('by-name.gguf'))
    expect((await readFile(out)).subarray(0, 4).toString()).toBe('GGUF')
    const refused = async (...argv: string[]) => {
      const { code, err } = await run(...argv)
      expect(code).toBe(2)
      return err
    }
    expect(await refused('convert', model, '--out', fresh('a.gguf'), '--format', 'gptq')).toContain(
      'names a file .gguf, and --format is gptq.',
    )
    expect(await refused('compress', model, '--out', fresh('a.safetensors'), '--step', 'rtn')).toContain(
      'results are folders, .gguf or .onnx files.',
    )
    expect(await refused('convert', model, '--out', fresh('a.onnx'))).toContain('a network of text becomes a folder')
  })
})

describe('what is printed of sizes', () => {
  it('is what the files take', async () => {
    const { bytesBefore, bytesAfter, out } = await json('compress', model, '--out', fresh('sized'), '--step', 'rtn(bits=4, group=8)')
    expect(bytesBefore).toBe((await stat(join(model, 'model.safetensors'))).size)
    expect(bytesAfter).toBe((await stat(join(out, 'model.safetensors'))).size)
    const converted = await json('convert', model, '--out', fresh('sized.gguf'))
    expect(converted.bytesAfter).toBe((await stat(fresh('sized.gguf'))).size)
  })

  it('says what a format holds as plain numbers, and where a result is not smaller', async () => {
    const steps = ['--step', 'rtn(bits=4, group=8)', '--step', 'eora(rank=2)', '--calibrate', text]
    const { out, err } = await run('compress', model, '--out', fresh('opened.gguf'), ...steps)
    expect(out).toMatch(/14 tensors are stored as plain numbers, \S+ kB → \S+ kB: GGUF has no form for sum/)
    expect(err).toMatch(/note the result is not smaller than its source: \S+ kB → \S+ kB/)
  })
})

describe('--overwrite', () => {
  const rtn = (source: string, out: string) => run('compress', source, '--out', out, '--step', 'rtn(group=8)', '--overwrite')
  let home = ''
  beforeEach(async () => {
    home = await mkdtemp(join(folder, 'home-'))
    await mkdir(join(home, 'photos'))
    await writeFile(join(home, 'photos/a.jpg'), 'precious')
    await cp(model, join(home, 'models/source'), { recursive: true })
    await writeFile(join(home, 'models/source/weights'), 'mine')
  })
  const names = (path: string) => readdir(join(home, path)).then(found => found.sort())

  it.each([
    ['compress', (out: string) => rtn(model, out)],
    ['convert', (out: string) => run('convert', model, '--out', out, '--overwrite')],
    ['convert to GGUF', (out: string) => run('convert', model, '--out', join(out, 'a.gguf'), '--format', 'gguf', '--overwrite')],
    ['imatrix', (out: string) => run('imatrix', model, '--calibrate', text, '--out', join(out, 'a.jpg'), '--overwrite')],
  ])('replaces nothing that Tersor did not write: %s', async (_name, command) => {
    await writeFile(join(home, 'photos/a.gguf'), 'GGUF of somebody else')
    const { code, err } = await command(join(home, 'photos'))
    expect(code).toBe(1)
    expect(err).toMatch(/error OUTPUT_EXISTS .*was not written by Tersor/)
    expect(await names('photos')).toEqual(['a.gguf', 'a.jpg'])
    expect(await readFile(join(home, 'photos/a.jpg'), 'utf8')).toBe('precious')
  })

  it('replaces what Tersor wrote, unless something of others lies in it', async () => {
    const out = join(home, 'out')
    for (let i = 0; i < 2; i++) expect((await rtn(model, out)).code).toBe(0)
    await writeFile(join(out, 'notes.txt'), 'mine')
    expect((await rtn(model, out)).err).toContain(`${out} holds notes.txt, which Tersor did not write.`)
    expect(await readFile(join(out, 'notes.txt'), 'utf8')).toBe('mine')
    await mkdir(join(home, 'empty'))
    expect((await rtn(model, join(home, 'empty'))).code).toBe(0)
    for (let i = 0; i < 2; i++)
      for (const form of ['gguf', 'dat'])
        expect((await run('imatrix', model, '--calibrate', text, '--out', join(home, form), '--form', form, '--overwrite')).code).toBe(0)
    for (let i = 0; i < 2; i++)
      expect((await run('convert', model, '--out', join(home, 'b.gguf'), '--format', 'gguf', '--overwrite')).code).toBe(0)
  })

  it.each([
    ['itself', 'models/source'],
    ['the folder above it', 'models'],
    ['a file of it', 'models/source/weights'],
  ])('never replaces the source: %s', async (_name, place) => {
    const source = join(home, 'models/source')
    const before = await readFile(join(source, 'model.safetensors'))
    const { code, err } = await rtn(source, join(home, place))
    expect(code).toBe(1)
    expect(err).toContain(`error OUTPUT_EXISTS --out ${join(home, place)} would replace the model that is read, ${source}.`)
    expect(await readFile(join(source, 'model.safetensors'))).toEqual(before)
  })

  it('knows the source behind a link', async () => {
    await symlink(join(home, 'models'), join(home, 'link'))
    expect((await rtn(join(home, 'link/source'), join(home, 'models/source'))).err).toContain('would replace the model that is read')
    expect((await rtn(join(home, 'models/source'), join(home, 'link/source'))).err).toContain('would replace the model that is read')
  })
})

it('has colours only for terminals, or where FORCE_COLOR asks for them and NO_COLOR does not forbid it', async () => {
  const { FORCE_COLOR, NO_COLOR } = process.env
  const colored = async () => (await run('inspect', model)).out.includes('\u001b[')
  delete process.env.FORCE_COLOR
  delete process.env.NO_COLOR
  expect(await colored()).toBe(false)
  process.env.FORCE_COLOR = '1'
  expect(await colored()).toBe(true)
  process.env.NO_COLOR = '1'
  expect(await colored()).toBe(false)
  Object.assign(process.env, { FORCE_COLOR, NO_COLOR })
  if (FORCE_COLOR === undefined) delete process.env.FORCE_COLOR
  if (NO_COLOR === undefined) delete process.env.NO_COLOR
})

describe('other formats', () => {
  let wide = ''
  beforeAll(async () => {
    wide = join(folder, 'wide')
    await save(wide, undefined, { hidden: 64, feedForward: 128, keyValueHeads: 4 })
  })

  it.each(['gptq', 'awq', 'compressed-tensors'])('writes and reads %s folders', async format => {
    const out = fresh(format)
    const result = await json('compress', wide, '--out', out, '--format', format, '--step', 'rtn(bits=4, group=32, symmetric=false)')
    expect(result.bitsPerWeight).toBeLessThan(16)
    expect(JSON.parse(await readFile(join(out, 'config.json'), 'utf8')).quantization_config.quant_method).toBe(format)
    const opened = await openModel(out)
    expect((await opened.params.read('model.layers.0.mlp.up_proj.weight')).kind).toBe('encoded')
    await opened.close?.()
    const own = fresh(`${format}-own`)
    await json('compress', wide, '--out', own, '--step', 'rtn(bits=4, group=32, symmetric=false)')
    const [theirs, ours] = [await json('evaluate', out, '--data', text), await json('evaluate', own, '--data', text)]
    expect(theirs.perplexity).toBeCloseTo(ours.perplexity, 4)
  })

  it('refuses what a format has no place for, with the way out, and leaves nothing', async () => {
    const { code, err } = await run('compress', model, '--out', fresh('none'), '--format', 'awq', '--step', 'rtn(bits=3, group=32)')
    expect(code).toBe(1)
    expect(err).toContain('The format awq will have no place for the result: model.layers.0.self_attn.q_proj.weight has 3 bits.')
    expect(await entries()).not.toContain('none')
  })

  it('converts to GGUF by a mixture with an importance matrix, and back', async () => {
    const weights = fresh('imatrix.gguf')
    expect(await json('imatrix', model, '--calibrate', text, '--out', weights)).toMatchObject({ weights: 14 })
    const file = fresh('converted.gguf')
    expect(await json('convert', model, '--out', file, '--format', 'gguf', '--type', 'Q8_0', '--imatrix', weights)).toMatchObject({
      format: 'gguf',
    })
    const back = fresh('back')
    await json('convert', file, '--out', back, '--dtype', 'f16')
    const opened = await openModel(back)
    for (const name of opened.params.names()) expect(opened.params.info(name).dtype).toBe('f16')
    await opened.close?.()
    const [before, after] = [await json('evaluate', model, '--data', text), await json('evaluate', back, '--data', text)]
    expect(Math.abs(after.perplexity / before.perplexity - 1)).toBeLessThan(0.01)
  })

  it('says what it cannot convert or verify', async () => {
    expect((await run('convert', model, '--out', fresh('x'), '--type', 'Q4_K_M')).err).toContain(
      '--type says nothing to the format huggingface',
    )
    expect((await run('convert', model, '--out', fresh('x'), '--imatrix', text)).err).toContain(
      '--imatrix says nothing to the format huggingface',
    )
    expect((await run('convert', model, '--out', fresh('x.gguf'), '--format', 'gguf', '--type', 'Q9')).err).toContain(
      'There is no type "Q9".',
    )
    expect((await run('convert', model, '--out', fresh('small'))).err).toContain('exists already')
    process.env.TERSOR_ENGINE = 'cpu' // the others may add in another order after another layout of memory
    const { verification } = await json('compress', model, '--out', fresh('verified'), '--step', 'rtn(bits=8)', '--verify')
    process.env.TERSOR_ENGINE = 'ort'
    expect(verification).toMatchObject({
      readBack: true,
      why: expect.stringContaining('without trees of Tersor'),
      largest: 0,
      tokens: 31,
    })
    const { out } = await run('compress', model, '--out', fresh('v.gguf'), '--format', 'gguf', '--step', 'rtn(bits=8)', '--verify')
    expect(out).toMatch(/verified in llama.cpp|not verified in a runtime: node-llama-cpp is not installed here\. Read back/)
  })
})
