import type { Model } from '@tersor/core'
import { fromFloat32, memoryStore } from '@tersor/tensor'
import { memoryBound, noteMemory } from './memory-bound.js'

const RUNTIME = 300 * 2 ** 20
const model: Model = {
  params: memoryStore({
    embeddings: fromFloat32(new Float32Array(100), 'f16', [20, 5]), // 200 bytes
    a: fromFloat32(new Float32Array(40), 'f16', [10, 4]), // 80 bytes
  }),
  stages: [
    { name: 'first', parameters: ['embeddings'], sites: [], run: x => x },
    { name: 'second', parameters: ['a'], sites: [{ name: 'a', weight: 'a', kind: 'linear', inAxis: 1, outAxis: 0 }], run: x => x },
  ],
}

it('adds up what it says', () => {
  const plain = RUNTIME + 3 * 200 + 2 * 200 + 8 * 4 * 40
  expect(memoryBound(model, {})).toBe(plain)
  expect(memoryBound(model, { calibrated: true, activationBytes: 1000 })).toBe(plain + 4 * 100 + 5 * 4 * 4 ** 2 + 1000)
})

it('says so where there is less, and nothing where there is enough', () => {
  const lines: string[] = []
  const stream = { write: (text: string) => lines.push(text) } as object as NodeJS.WritableStream
  const terminal = { out: stream, err: stream, json: false, quiet: false, debug: false, colors: false }
  noteMemory(terminal, model, {}, 2 ** 40)
  expect(lines).toEqual([])
  noteMemory(terminal, model, { calibrated: true, activationBytes: 2 ** 29 }, 2 ** 29)
  expect(lines.join('')).toMatch(
    /This may take 851\.4 MB of memory, and there are 536\.9 MB: the system may end it\. A smaller --activation-memory/,
  )
})
