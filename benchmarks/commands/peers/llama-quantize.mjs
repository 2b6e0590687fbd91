/** `llama-quantize.mjs FROM.gguf TO.gguf FILE_TYPE`: llama.cpp's own llama_model_quantize; needs `npm install` in conformance. */
import { createRequire } from 'node:module'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'

const conformance = new URL('../../../conformance/', import.meta.url)
const koffi = createRequire(new URL('package.json', conformance))('koffi')
const folder = fileURLToPath(new URL('node_modules/@node-llama-cpp/linux-x64/bins/linux-x64', conformance))
const file = readdirSync(folder).find(name => /^libllama\.(v[\d.]+\.)?so$/.test(name))
const library = koffi.load(join(folder, file))
// what stands behind the first two fields differs between versions: the library fills it in, and it goes back as it came
koffi.struct('quantize_params', { threads: 'int32_t', type: 'int32_t', rest: koffi.array('uint8_t', 248) })
const defaults = library.func('quantize_params llama_model_quantize_default_params()')
const quantize = library.func('uint32_t llama_model_quantize(const char* from, const char* to, const quantize_params* params)')
library.func('void llama_backend_init()')()
const [from, to, type] = process.argv.slice(2)
const params = { ...defaults(), type: Number(type), threads: Number(process.env.TERSOR_THREADS ?? 0) }
process.exitCode = Number(quantize(from, to, params))
