/** `ggml.ts <job> <settings as JSON>`: the encoding job by ggml's own C code; needs `npm install` in conformance. */
import { loadGgml } from '../../conformance/ggml.js'
import { serve, type Settings } from './serve.js'
import { normalValues } from './values.js'

/** GGML_TYPE_Q4_0 and GGML_TYPE_Q8_0. */
const TYPES: Readonly<Record<string, number>> = { q4_0: 2, q8_0: 8 }
const ROW = 4096

const { values, type } = JSON.parse(process.argv[3]) as Settings
const ggml = loadGgml()
const numbers = normalValues(Number(values), 1, 0.02)
await serve(() => ggml.quantize(TYPES[type], numbers, ROW), { engine: 'ggml', version: 'of node-llama-cpp 3.22.1', threads: 1 }, 1)
