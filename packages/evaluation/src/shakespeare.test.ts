import '@tersor/backend-ort'
import * as tf from '@tensorflow/tfjs-core'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openModel } from '@tersor/models'
import { perplexity } from './perplexity.js'

const DATA = process.env.TERSOR_DATA ?? join(process.cwd(), '../shared/data')
const FOLDER = join(DATA, 'lm/shakespeare-llama')
const present = existsSync(FOLDER)
if (!present) console.log(`Skipped: the trained character model: ${FOLDER} is missing; set TERSOR_DATA to the folder that holds it.`)

;(present ? describe : describe.skip)('the trained character model', () => {
  it('has the perplexity that its training recorded, 6.6636', async () => {
    await tf.ready()
    const before = tf.memory().numTensors
    const { validation } = JSON.parse(await readFile(join(FOLDER, 'reference.json'), 'utf8')) as {
      validation: { perplexity: number; predicted_chars: number }
    }
    const model = await openModel(FOLDER)
    if (model.family !== 'language') throw new Error('It is a language model.')
    const text = await readFile(join(DATA, 'text/tinyshakespeare.txt'), 'utf8')
    const ids = model.tokenizer!.encode(text.slice(Math.floor(0.9 * text.length)), { specials: false })
    const windows = Array.from({ length: Math.floor((ids.length - 1) / 128) }, (_, i) => ids.slice(i * 128, i * 128 + 129))
    const result = await perplexity(model, windows)
    expect(result.tokens).toBe(validation.predicted_chars)
    expect(result.perplexity).toBeCloseTo(validation.perplexity, 4)
    await model.close?.()
    expect(tf.memory().numTensors).toBe(before)
  })
})
