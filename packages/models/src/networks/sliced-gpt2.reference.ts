/** Plain numbers of a parameter with its shape. */
export interface Plain {
  readonly values: Float32Array
  readonly shape: readonly number[]
}

export interface SlicedGpt2 {
  readonly parameters: ReadonlyMap<string, Plain>
  /** Channels of the stream that there are: all others are passed over wherever the stream is met. */
  readonly channels: readonly number[]
  readonly layers: number
  readonly heads: number
  readonly epsilon: number
}

type Rows = number[][]

/** GPT-2 in loops over the weights of the large network, of whose stream only some channels are met; ids → logits, a row a token. */
export const slicedGpt2 = ({ parameters, channels, layers, heads, epsilon }: SlicedGpt2, ids: readonly number[]): Rows => {
  const at = (name: string, ...places: readonly number[]): number => {
    const { values, shape } = parameters.get(name)!
    return values[places.reduce((index, place, axis) => index * shape[axis] + place, 0)]
  }
  const extent = (name: string, axis: number): number => parameters.get(name)!.shape[axis]
  const normalised = (rows: Rows, name: string): Rows =>
    rows.map(row => {
      const mean = row.reduce((sum, value) => sum + value, 0) / row.length
      const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length
      return row.map(
        (value, i) =>
          ((value - mean) / Math.sqrt(variance + epsilon)) * at(`${name}.weight`, channels[i]) + at(`${name}.bias`, channels[i]),
      )
    })
  /** From the stream to all columns of a weight (in, out). */
  const read = (rows: Rows, name: string): Rows =>
    rows.map(row =>
      Array.from({ length: extent(`${name}.weight`, 1) }, (_, column) =>
        row.reduce((sum, value, i) => sum + value * at(`${name}.weight`, channels[i], column), at(`${name}.bias`, column)),
      ),
    )
  /** And back into it, added. */
  const write = (stream: Rows, rows: Rows, name: string): Rows =>
    stream.map((old, token) =>
      old.map(
        (value, i) =>
          value + rows[token].reduce((sum, each, j) => sum + each * at(`${name}.weight`, j, channels[i]), at(`${name}.bias`, channels[i])),
      ),
    )
  const attended = (projected: Rows): Rows => {
    const width = projected[0].length / 3
    const size = width / heads
    return projected.map((row, token) =>
      Array.from({ length: width }, (_, place) => {
        const start = Math.floor(place / size) * size
        const scores = projected.slice(0, token + 1).map(other => {
          let dot = 0
          for (let i = start; i < start + size; i++) dot += row[i] * other[width + i]
          return Math.exp(dot / Math.sqrt(size))
        })
        const total = scores.reduce((sum, score) => sum + score, 0)
        return scores.reduce((sum, score, other) => sum + (score / total) * projected[other][2 * width + place], 0)
      }),
    )
  }
  const gelu = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
  let stream: Rows = ids.map((id, token) =>
    channels.map(channel => at('transformer.wte.weight', id, channel) + at('transformer.wpe.weight', token, channel)),
  )
  for (let layer = 0; layer < layers; layer++) {
    const name = `transformer.h.${layer}`
    stream = write(stream, attended(read(normalised(stream, `${name}.ln_1`), `${name}.attn.c_attn`)), `${name}.attn.c_proj`)
    const inner = read(normalised(stream, `${name}.ln_2`), `${name}.mlp.c_fc`).map(row => row.map(gelu))
    stream = write(stream, inner, `${name}.mlp.c_proj`)
  }
  const words = extent('transformer.wte.weight', 0)
  return normalised(stream, 'transformer.ln_f').map(row =>
    Array.from({ length: words }, (_, word) =>
      row.reduce((sum, value, i) => sum + value * at('transformer.wte.weight', word, channels[i]), 0),
    ),
  )
}
