import type { AttentionFacts } from './layer-cache.js'
import { openCaches, piecesOf } from './caches.js'

const stage = (facts: Partial<AttentionFacts>) => ({
  ...{ name: 'layer', parameters: [], sites: [], run: <T>(x: T): T => x },
  attention: { heads: 1, keyHeads: 1, size: 2, scale: 1, positions: 'rotated' as const, ...facts },
})
const lengthsOf = (facts: Partial<AttentionFacts>, tokens: number): readonly number[] =>
  [...piecesOf(openCaches({ stages: [stage(facts)] }), tokens)].map(({ from, to }) => to - from)

describe('piecesOf', () => {
  const known = { frequencies: () => Float32Array.of(1) }

  it('reads a text as a whole up to 2,048 tokens, and longer ones in pieces of 512', () => {
    expect(lengthsOf(known, 2048)).toEqual([2048])
    expect(lengthsOf(known, 2050)).toEqual([512, 512, 512, 512, 2])
    expect(lengthsOf({ positions: 'learned' }, 2050)).toHaveLength(5)
  })

  it('cuts nothing where keys are turned by how long the text is, or in a way that is not known', () => {
    for (const facts of [{ frequencies: () => undefined }, {}]) expect(lengthsOf(facts, 4000)).toEqual([4000])
  })

  it('ends the last piece as a prompt, and others within it', () =>
    expect([...piecesOf(openCaches({ stages: [stage(known)] }), 2050)].map(({ pause }) => pause)).toEqual([
      ...new Array<string>(4).fill('within'),
      'prompt',
    ]))
})
