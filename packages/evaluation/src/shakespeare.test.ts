import '@tersor/backend-ort'
import * as tf from '@tensorflow/tfjs-core'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openModel } from '@tersor/models'
import { perplexity } from './perplexity.js'

const DATA = process.env.TERSOR_DATA ?? join(process.cwd(), '../shared/data')
const FOLDER = join(DATA, 'lm/shakespeare-llama')
const SLOW = process.env.TERSOR_SLOW === '1'
/** exp of the mean negative log-likelihood of LlamaForCausalLM (transformers, float32) over the first 32 windows. */
const FIRST = { windows: 32, perplexity: 6.3136140163 }
const present = existsSync(FOLDER)
if (!present) console.log(`Skipped: the trained character model: ${FOLDER} is missing; set TERSOR_DATA to the folder that holds it.`)

;(present ? describe : describe.skip)('the trained character model', () => {
  it(`has the perplexity of ${SLOW ? 'the whole text that its training recorded' : 'the first windows in the official code'}`, async () => {
    await tf.ready()
    const before = tf.memory().numTensors
    const { validation } = JSON.parse(await readFile(join(FOLDER, 'reference.json'), 'utf8')) as {
      validation: { perplexity: number; predicted_chars: number }
    }
    const model = await openModel(FOLDER)
    if (model.family !== 'language') throw new Error('It is a language model.')
    const text = await readFile(join(DATA, 'text/tinyshakespeare.txt'), 'utf8')
    const ids = model.tokenizer!.encode(text.slice(Math.floor(0.9 * text.length)), { specials: false })
    const count = SLOW ? Math.floor((ids.length - 1) / 128) : FIRST.windows
    const windows = Array.from({ length: count }, (_, i) => ids.slice(i * 128, i * 128 + 129))
    const result = await perplexity(model, windows)
    expect(result.tokens).toBe(SLOW ? validation.predicted_chars : 128 * count)
    expect(result.perplexity).toBeCloseTo(SLOW ? validation.perplexity : FIRST.perplexity, 4)
    await model.close?.()
    expect(tf.memory().numTensors).toBe(before)
  })
})
