import { CompressionError, DTYPES, toInt32, type ParameterStore } from '@tersor/tensor'
import { sortsHeads, type LlamaConfig } from './llama-config.js'
import { pairsName, partsOf } from './llama-parameters.js'

const bad = (name: string, what: string): CompressionError =>
  new CompressionError('BAD_FILE', `"${name}" ${what}.`, 'Take the file that uniql sorted, or sort it again.', { name })

/**
 * Reads which frequency turns each rotary pair, where heads are sorted: each head names frequencies that there are, each once.
 * Throws BAD_FILE.
 */
export const checkPairs = async (config: LlamaConfig, params: ParameterStore): Promise<void> => {
  if (!sortsHeads(config)) return
  const frequencies = config.headSize / 2
  for (let layer = 0; layer < config.layers; layer++) {
    if (!partsOf(layer, config).attends) continue
    const name = pairsName(layer)
    const table = await params.read(name)
    if (table.kind !== 'dense' || DTYPES[table.dtype].kind === 'float') throw bad(name, 'holds no whole numbers')
    const [heads, pairs] = table.shape
    const places = toInt32(table)
    for (let head = 0; head < heads; head++) {
      const own = places.subarray(head * pairs, (head + 1) * pairs)
      const fits = new Set(own).size === pairs && own.every(place => place >= 0 && place < frequencies)
      if (!fits) throw bad(name, `names no ${pairs} of the ${frequencies} frequencies of head ${head}, each once`)
    }
  }
}
