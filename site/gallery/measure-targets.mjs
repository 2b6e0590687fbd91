/** Compresses the bundled model for each runtime and writes targets.json: `node site/gallery/measure-targets.mjs`, after `npm run build`. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const here = import.meta.dirname
const root = join(here, '../..')
const bundled = join(root, 'examples/bundled-model')
const folder = mkdtempSync(join(tmpdir(), 'tersor-targets-'))
const tersor = argv => JSON.parse(execFileSync(process.execPath, [join(root, 'packages/tersor/bin/tersor.js'), ...argv, '--json', '--quiet'], { maxBuffer: 2 ** 26 })) // prettier-ignore

/** What is made for each runtime. */
const MADE = [
  ['transformers.js', 'transformers-js', []],
  ['transformers.js', 'transformers-js-8', ['--bits', '8']],
  ['llama.cpp', 'llama-cpp.gguf', []],
  ['llama.cpp', 'llama-cpp-3.gguf', ['--bits', '3']],
  ['llama.cpp', 'llama-cpp-8.gguf', ['--bits', '8']],
  ['vllm', 'vllm', ['--calibrate', join(bundled, 'text/calibration.txt')]],
  ['vllm', 'vllm-8', ['--bits', '8']],
  ['onnxruntime', 'onnxruntime', []],
]

try {
  const paths = MADE.map(([, name]) => join(folder, name))
  for (const [i, [runtime, , more]] of MADE.entries())
    tersor(['compress', join(bundled, 'model'), '--for', runtime, '--out', paths[i], ...more])
  const data = ['--data', join(bundled, 'text/validation.txt'), '--tokens', '16384', '--timed', '0']
  const { models } = tersor(['compare', join(bundled, 'model'), ...paths, ...data])
  const figures = ({ bytes, bitsPerWeight, perplexity, kl, flips }) => ({ bytes, bitsPerWeight, perplexity, kl, flips })
  const rows = MADE.map(([runtime, , more], i) => ({
    runtime,
    options: more.filter(word => !word.includes('/')),
    ...figures(models[i + 1]),
  }))
  writeFileSync(join(here, 'targets.json'), `${JSON.stringify({ original: figures(models[0]), rows }, null, 2)}\n`)
} finally {
  rmSync(folder, { recursive: true })
}
