import { isRefusal, OPSET, storeMatrix, type GraphBuilder, type OnnxForm, type Refused, type Stored, type Target } from '../file.js'
import { CompressionError, type Parameter } from '@tersor/tensor'
import type { GraphNetwork, GraphParameter, Values } from './network.js'

/** Some parameters never came. */
export const notWritten = (names: readonly string[]): CompressionError =>
  new CompressionError('NOT_FOUND', `${names.length} parameters were not written, among them ${names[0]}.`, 'Write all of them.', { names })

/** Vectors and tables stand as they are, (out, in) matrices as (in, out). */
const placeOf = ({ name, shape, table = false }: GraphParameter) =>
  table || shape.length === 1 ? { name, shape, outAxis: 0 } : { name, shape: [shape[1], shape[0]], outAxis: 1 }

/** Takes the parameters of a network and remembers how the graph uses each. */
export const parameterWriter = (
  network: Pick<GraphNetwork, 'parameters'>,
  write: Target['write'],
  { form, float }: { readonly form: OnnxForm; readonly float: 'f32' | 'f16' },
) => {
  const known = new Map(network.parameters.map(parameter => [parameter.name, parameter]))
  const stored = new Map<string, Stored>()
  const refused: Refused[] = []
  return {
    stored,
    refused,
    missing: () => network.parameters.map(({ name }) => name).filter(name => !stored.has(name)),
    valuesIn: (graph: GraphBuilder): Values => ({
      vector: name => stored.get(name)!.value!(graph),
      matrix: name => stored.get(name)!,
    }),
    write: async (name: string, parameter: Parameter): Promise<void> => {
      const found = known.get(name)
      if (!found) return // rotary tables and heads that the config says are the embedding
      const mustStand = found.table || found.shape.length === 1
      const target: Target = { form: found.table ? 'QDQ' : form, float, opset: OPSET, convert: float, write }
      const made = await storeMatrix(parameter, placeOf(found), target)
      if (isRefusal(made)) return void refused.push({ name, ...made })
      if (mustStand && !made.value)
        return void refused.push({ name, reason: 'is a table that must stand as it is', step: 'Leave it out with only.' })
      stored.set(name, made)
    },
  }
}
