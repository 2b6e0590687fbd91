/** How long a step behind a text takes. */
import type { Session } from '@tersor/models'
import type { Claim } from '../training/claim.js'

/** Four layers of eight heads of 64 channels. */
export const WIDE = {
  ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_size: 512, intermediate_size: 1024, num_hidden_layers: 4 },
  ...{ num_attention_heads: 8, num_key_value_heads: 8, vocab_size: 512, max_position_embeddings: 8192 },
}
const STEPS = 24
/** Sessions, whose median is told: single ones differ by half. */
const ROUNDS = 5
/** Tokens before the steps. */
const LENGTHS = [1024, 4096]

const figureOf = (length: number): string => `ms at ${length}`
export const FIGURES: Claim['figures'] = Object.fromEntries(
  LENGTHS.map(length => [figureOf(length), { better: 'lower', digits: 2, tie: 0 } as const]),
)
/** Each of these below the other, behind both lengths. */
export const below = (sides: readonly string[], than: string): Claim['orders'] =>
  LENGTHS.flatMap(length => sides.map(first => ({ figure: figureOf(length), first, than })))

const medianOf = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

/** The median of some steps, in milliseconds. */
const stepAfter = async (session: Session, tokens: number): Promise<number> => {
  await session.append(Array.from({ length: tokens }, (_, i) => (7 * i) % WIDE.vocab_size))
  const times: number[] = []
  for (let i = 0; i < STEPS; i++) {
    const from = performance.now()
    await session.append([i])
    times.push(performance.now() - from)
  }
  session.dispose()
  return medianOf(times.slice(STEPS / 4))
}

/** Steps of new sessions behind each length. */
export const timed = async (open: () => Promise<Session>): Promise<Readonly<Record<string, number>>> => {
  const found: Record<string, number> = {}
  for (const length of LENGTHS) {
    const rounds: number[] = []
    for (let round = 0; round < ROUNDS; round++) rounds.push(await stepAfter(await open(), length))
    found[figureOf(length)] = medianOf(rounds)
  }
  return found
}
