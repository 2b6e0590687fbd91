import { CompressionError } from '@tersor/tensor'
import { oneLine } from '../files/bad-file.js'
import { importanceOf, type Imatrix } from './imatrix/imatrix.js'
import { toHubName, type GgufPlace } from './names.js'
import { EXPERT_MODULES, LAYER_MODULES } from './tables/architectures.js'

/** The importance of columns, and what became of it. */
export interface Importance {
  /** The weights of a tensor's columns; undefined where the matrix has none for it. Throws SHAPE for a stack of another size. */
  of(place: GgufPlace, experts: number): Float32Array | undefined
  /** Sums up what was looked up; throws BAD_DATA where entries are there and none was used. */
  notes(): readonly string[]
}

/** llama-imatrix leaves these out unless it is told otherwise. */
const USUALLY_LEFT_OUT: readonly string[] = ['token_embd.weight', 'output.weight']

const STACKS = Object.values(EXPERT_MODULES).flatMap(({ parts, modules }) => [...Object.values(parts), ...Object.values(modules)])

/** Whether llama.cpp has tensors of that name in the networks that are written. */
const isKnown = (name: string): boolean =>
  toHubName(name, undefined) !== undefined || [...STACKS, ...Object.values(LAYER_MODULES)].some(stack => name.endsWith(`.${stack}.weight`))

const some = (names: readonly string[]): string => names.slice(0, 3).join(', ') + (names.length > 3 ? ', …' : '')

const ofAnotherModel = (names: readonly string[]): CompressionError =>
  new CompressionError(
    'BAD_DATA',
    oneLine(
      `No entry of the importance matrix belongs to a tensor of this model: it has ${some(names.map(name => JSON.stringify(name)))}.`,
    ),
    'Pass the matrix of this model: tersor imatrix makes one.',
    { names: names.slice(0, 3) },
  )

/** Looks entries up and remembers which. Throws BAD_DATA at once where no name is one that GGUF files have. */
export const trackImportance = (imatrix: Pick<Imatrix, 'entries'> | undefined): Importance => {
  const entries = imatrix?.entries ?? new Map()
  const names = [...entries.keys()]
  if (names.length > 0 && !names.some(isKnown)) throw ofAnotherModel(names)
  const used = new Set<string>()
  const missing = new Set<string>()
  const slice = (values: Float32Array, { name, expert }: GgufPlace, experts: number, calls: number): Float32Array => {
    if (expert === undefined) return values
    if (calls !== experts)
      throw new CompressionError(
        'SHAPE',
        `The importance matrix has ${calls} experts for the ${experts} of ${name}.`,
        'Pass the matrix of this model.',
        { name, expected: experts, got: calls },
      )
    const columns = values.length / experts
    return values.subarray(expert * columns, (expert + 1) * columns)
  }
  return {
    of: (place, experts) => {
      if (imatrix === undefined) return undefined
      const entry = entries.get(place.name)
      ;(entry ? used : missing).add(place.name)
      return entry && slice(importanceOf(entry), place, experts, entry.calls.length)
    },
    notes: () => {
      if (imatrix === undefined || names.length === 0) return []
      const looked = used.size + missing.size
      if (looked === 0) return ['importance: not used, since no matrix was rounded with it']
      if (used.size === 0) throw ofAnotherModel(names)
      const unused = names.filter(name => !used.has(name))
      const without = [...missing].filter(name => !USUALLY_LEFT_OUT.includes(name))
      return [
        ...(without.length > 0 ? [`importance: ${without.length} matrices were rounded without, as it has no entry for them: ${some(without)}`] : []),
        ...(unused.length > 0 ? [`importance: ${unused.length} of its entries belong to nothing that was rounded with it: ${some(unused)}`] : []),
      ] // prettier-ignore
    },
  }
}
