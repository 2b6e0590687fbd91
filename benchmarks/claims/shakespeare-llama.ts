/** Measures the character model on all of its validation text by the procedure of its reference.json: 6.6636 is recorded. */
import '@tersor/backend-ort'
import * as tf from '@tensorflow/tfjs-core'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { perplexity } from '@tersor/evaluation'
import { openModel } from '@tersor/models'

const DATA = process.env.TERSOR_DATA ?? join(process.cwd(), '../shared/data')
const RECORDED = 6.663646691171771
const WINDOW = 129
const STEP = 128

await tf.ready()
const model = await openModel(join(DATA, 'lm/shakespeare-llama'))
if (model.family !== 'language' || !model.tokenizer) throw new Error('shakespeare-llama is a language model with a tokenizer.')
const text = await readFile(join(DATA, 'text/tinyshakespeare.txt'), 'utf8')
const ids = model.tokenizer.encode(text.slice(Math.floor(0.9 * text.length)), { specials: false })
const windows = Array.from({ length: Math.floor((ids.length - 1) / STEP) }, (_, i) => ids.slice(i * STEP, i * STEP + WINDOW))
const started = performance.now()
const result = await perplexity(model, windows)
const seconds = (performance.now() - started) / 1000
const agrees = Math.abs(result.perplexity - RECORDED) < 5e-4
console.log(`engine: ${tf.getBackend()}`)
console.log(
  `shakespeare-llama: perplexity ${result.perplexity.toFixed(6)} on ${result.tokens} tokens (recorded ${RECORDED.toFixed(6)}), ${seconds.toFixed(1)} s`,
)
if (!agrees) process.exitCode = 1
await model.close?.()
