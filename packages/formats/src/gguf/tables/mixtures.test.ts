import { typeInMixture, type MixtureName } from './mixtures.js'

const place = { layers: 32, group: 1, weighed: false, experts: 0 }
const types = (name: MixtureName, module: string, change: Partial<typeof place> = {}): string[] =>
  Array.from({ length: 32 }, (_, layer) => typeInMixture(name, `blk.${layer}.${module}.weight`, false, { ...place, ...change }))
const layersOf = (list: readonly string[], type: string): number[] => list.flatMap((each, layer) => (each === type ? [layer] : []))

describe('typeInMixture', () => {
  it('gives six bits to the head, or to the embedding in its place', () => {
    expect(typeInMixture('Q4_K_M', 'output.weight', false, place)).toBe('q6_k')
    expect(typeInMixture('Q4_K_M', 'token_embd.weight', false, place)).toBe('q4_k')
    expect(typeInMixture('Q2_K', 'token_embd.weight', true, place)).toBe('q6_k')
    expect(typeInMixture('Q8_0', 'output.weight', false, place)).toBe('q8_0')
  })

  it('gives attention more bits beside eight experts, and the outputs of experts what outputs get', () => {
    const eight = { experts: 8 }
    expect(new Set([...types('Q4_K_M', 'attn_v', eight), ...types('Q2_K', 'attn_k', eight)])).toEqual(new Set(['q8_0']))
    expect(new Set(types('Q4_K_M', 'attn_output', eight))).toEqual(new Set(['q5_k']))
    expect(new Set(types('Q3_K_L', 'attn_output', eight))).toEqual(new Set(['q3_k']))
    expect(types('Q4_K_M', 'attn_k', { experts: 128 })).not.toContain('q8_0')
    expect(types('Q4_K_M', 'ffn_down_exps', eight)).toEqual(types('Q4_K_M', 'ffn_down'))
  })

  it('gives Q4_K_M and Q5_K_M more bits in the outer eighths and every third layer between', () => {
    const expected = [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]
    for (const [name, base] of [
      ['Q4_K_M', 'q4_k'],
      ['Q5_K_M', 'q5_k'],
    ] as const)
      // prettier-ignore
      for (const module of ['attn_v', 'ffn_down']) {
        expect(layersOf(types(name, module), 'q6_k')).toEqual(expected)
        expect(layersOf(types(name, module), base)).toHaveLength(16)
      }
    expect(new Set([...types('Q4_K_M', 'attn_q'), ...types('Q4_K_M', 'ffn_up'), ...types('Q4_K_M', 'attn_output')])).toEqual(
      new Set(['q4_k']),
    )
  })

  it('follows the rules of the other names', () => {
    expect(layersOf(types('Q3_K_M', 'attn_v'), 'q5_k')).toEqual([0, 1])
    expect(layersOf(types('Q3_K_M', 'attn_v'), 'q4_k')).toHaveLength(30)
    expect(layersOf(types('Q3_K_M', 'ffn_down'), 'q5_k')).toEqual([0, 1])
    expect(new Set(types('Q3_K_M', 'attn_output'))).toEqual(new Set(['q4_k']))
    expect(layersOf(types('Q4_K_S', 'attn_v'), 'q5_k')).toEqual([0, 1, 2, 3])
    expect(layersOf(types('Q4_K_S', 'ffn_down'), 'q5_k')).toEqual([0, 1, 2, 3])
    expect(new Set(types('Q2_K', 'attn_v'))).toEqual(new Set(['q3_k']))
    expect(new Set(types('Q2_K', 'attn_v', { group: 4 }))).toEqual(new Set(['q4_k']))
    expect(layersOf(types('IQ4_XS', 'ffn_down'), 'q5_k')).toEqual([0, 1, 2, 3])
    expect(layersOf(types('IQ4_XS', 'ffn_down', { weighed: true }), 'q5_k')).toEqual([])
    expect(layersOf(types('Q4_0', 'ffn_down', { weighed: true }), 'q4_1')).toEqual([0, 1, 2, 3])
    expect(new Set(types('Q4_0', 'ffn_down'))).toEqual(new Set(['q4_0']))
    expect(new Set(types('Q5_K_S', 'attn_v'))).toEqual(new Set(['q5_k']))
  })
})
