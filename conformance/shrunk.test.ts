import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { createRng, shrink, type Change } from '@tersor/core'
import { openGguf } from '@tersor/formats/gguf'
import { selectEngine } from '@tersor/kernels'
import { llamaModel, picoLlama } from '@tersor/models'
import { anyTokenizer, withFolder, writeGguf } from './files.js'
import { loadInLlamaCpp } from './llama-cpp.js'
import { furthest, ours } from './perplexity.js'

before(async () => void (await selectEngine()))

const WIDTH = 160
const every = (count: number): readonly number[] => Array.from({ length: count }, (_, unit) => unit)

/** A network of three blocks, of which some are cut. */
const large = () => picoLlama({ vocabulary: WIDTH, context: 64, seed: 6, hidden: 64, layers: 3, heads: 8, keyValueHeads: 4 })

const CHANGES: Readonly<Record<string, { readonly change: Change; readonly architecture: string }>> = {
  'alike in every block': {
    architecture: 'llama',
    change: {
      keep: new Map([
        ['stream', every(64).filter(channel => channel % 4 !== 1)],
        ...every(3).flatMap(layer => [
          [`model.layers.${layer}.self_attn.heads`, [3, 0]] as const,
          [`model.layers.${layer}.mlp.neurons`, every(32)] as const,
        ]),
      ]),
    },
  },
  'otherwise in every block, one of them without attention': {
    architecture: 'deci',
    change: {
      keep: new Map([
        ['model.layers.0.self_attn.heads', [2, 0, 3]],
        ['model.layers.0.mlp.neurons', every(32)],
        ['model.layers.2.self_attn.queries', [1, 2, 5, 6]],
      ]),
      without: new Set(['model.layers.1.self_attn']),
    },
  },
}

for (const [what, { change, architecture }] of Object.entries(CHANGES))
  test(`a Llama that is cut ${what} gives our logits in llama.cpp`, () =>
    withFolder(async folder => {
      const model = await shrink(large(), change)
      const path = join(folder, 'model.gguf')
      await writeGguf(path, model.params, { config: model.completeConfig!, files: anyTokenizer(WIDTH) })
      const rng = createRng(5)
      const ids = every(32).map(() => rng.integer(WIDTH))
      const expected = await (await ours(model))(ids)
      const read = await openGguf(path)
      assert.equal(read.metadata.get('general.architecture')?.value, architecture)
      assert.ok(furthest(await (await ours(llamaModel(read.config!, read.params)))(ids), expected) < 1e-3, 'what we read back')
      await read.close()
      const runner = await loadInLlamaCpp(path, 64, WIDTH)
      const off = furthest(await runner.logProbabilities(ids), expected)
      await runner.close()
      console.log(`  off by ${off.toFixed(4)}`)
      assert.ok(off < 0.03, `log-probabilities are off by ${off}`)
    }))
