import { GGUF_READING } from './reading.js'

const fateOf = (start: string): string | undefined => GGUF_READING.rows.find(({ what }) => what.startsWith(start))?.fate

it('says of everything that a file may hold what becomes of it, once', () => {
  const whats = GGUF_READING.rows.map(({ what }) => what)
  expect(new Set(whats).size).toBe(whats.length)
  expect(fateOf('architecture qwen3moe')).toBe('read')
  expect(fateOf('other architectures')).toBe('refused')
  expect(fateOf('other tokenizers')).toBe('kept')
  expect(whats.join()).toContain('IQ2_XXS')
  expect(whats.join()).toContain('deepseek-v3')
  expect(GGUF_READING.rows.every(({ how }) => how.length > 0 && !/[|\n]/.test(how))).toBe(true)
})
