import { PROMPT } from '@tersor/core/prompted'
import { CompressionError, DTYPES, notFound, type ParameterStore, type Shape } from '@tersor/tensor'

interface Expected {
  readonly name: string
  readonly shape: Shape
  /** Whether it holds whole numbers. */
  readonly whole?: boolean
}

const DEQUANTIZED = 'Take the original weights, or save the model dequantized: this way of storing them is not read.'
/** Enough to see what is meant. */
const LISTED = 4

const listOf = (names: readonly string[]): string =>
  names.slice(0, LISTED).join(', ') + (names.length > LISTED ? ` and ${names.length - LISTED} more` : '')

/** Reads a missing parameter from what is there; the first that finds something speaks. */
const EXPLANATIONS: readonly ((name: string, names: readonly string[]) => string | undefined)[] = [
  (name, names) => {
    const module = name.replace(/\.weight$/, '')
    const beside = names.filter(other => other.startsWith(`${module}.`) && other !== `${module}.bias`)
    return beside.length === 0
      ? undefined
      : `In its place stand ${listOf(beside)}, which is a quantization that is not read. ${DEQUANTIZED}`
  },
  (name, names) => {
    const experts = names.filter(other => other.includes('.experts.'))
    if (experts.length === 0 || /\.experts\.\d/.test(experts[0])) {
      const isExpert = name.includes('.experts.')
      if (isExpert === experts.length > 0) return undefined
      return isExpert
        ? 'The file has no experts, which the config names: take the config that was saved with these weights.'
        : `The file has experts (${listOf(experts)}), which the config does not name: take the config that was saved with these weights.`
    }
    return `The file has the experts of a layer in one tensor (${listOf(experts)}); only files with a tensor for each are read.`
  },
  (name, names) => {
    const longer = names.find(other => other.endsWith(`.${name}`))
    const shorter = names.find(other => other.includes('.') && name.endsWith(`.${other}`))
    if (longer) return `The file has ${longer}: its names begin with "${longer.slice(0, -name.length)}", which this network's do not.`
    return shorter && `The file has ${shorter}: its names lack "${name.slice(0, -shorter.length)}", which this network's begin with.`
  },
]

const missing = (name: string, names: readonly string[]): CompressionError => {
  for (const explain of EXPLANATIONS) {
    const remedy = explain(name, names)
    if (remedy) return new CompressionError('NOT_FOUND', `No parameter is called "${name}".`, remedy, { name })
  }
  return notFound(name, names)
}

const checkShape = ({ name, shape }: Expected, got: Shape): void => {
  if (got.length === shape.length && got.every((extent, axis) => extent === shape[axis])) return
  throw new CompressionError(
    'SHAPE',
    `"${name}" is [${got.join(', ')}], but the config makes it [${shape.join(', ')}].`,
    'Take the config that was saved with these weights.',
    { name, got, expected: shape },
  )
}

/** Integers and 8-bit floats mean nothing without their scales. */
const checkDType = (name: string, params: ParameterStore): void => {
  const { dtype } = params.info(name)
  if (dtype === undefined || (DTYPES[dtype].kind === 'float' && DTYPES[dtype].bits > 8)) return
  throw new CompressionError('UNSUPPORTED', `"${name}" is stored as ${dtype}: codes, whose scales nothing tells.`, DEQUANTIZED, {
    name,
    dtype,
  })
}

/** Suffixes of what quantizations keep beside a weight under the name of its layer. */
const BESIDE = ['SCB', 'qweight', 'qzeros', 'scales', 'g_idx', 'weight_format', 'weight_packed', 'B', 's']

/** A leftover that is part of how an expected weight is stored. */
const checkLeftover = (name: string, expected: ReadonlySet<string>): void => {
  const module = name.replace(/\.[^.]*$/, '')
  const owner =
    BESIDE.some(suffix => name === `${module}.${suffix}`) && expected.has(`${module}.weight`)
      ? `${module}.weight`
      : /^(.*?\.weight)[._].+$/.exec(name)?.[1]
  if (owner === undefined || !expected.has(owner)) return
  throw new CompressionError('UNSUPPORTED', `"${name}" is part of how "${owner}" is stored, and nothing reads it.`, DEQUANTIZED, {
    name,
    owner,
  })
}

/** Tensors that networks save and never read again: angles and masks that follow from the config. */
const BUFFERS = /(^|\.)(rotary_emb\.inv_freq|position_ids|attn\.(masked_)?bias|num_batches_tracked)$/
/** Grids of inputs, which `quantizedActivations` takes. */
const GRIDS = /\.input_(scale|zero_point|row_levels)$/

/** One sentence for tensors that no part of a network asks for, those of all layers together. */
const unclaimedNote = (names: readonly string[]): readonly string[] => {
  if (names.length === 0) return []
  const kinds = [...new Set(names.map(name => name.replace(/\.\d+\./g, '.*.')))]
  return [`The network has no use for ${names.length} of the tensors, which are carried along as they are: ${listOf(kinds)}.`]
}

/**
 * Holds a store against what a config makes of it, and gives a sentence for tensors that nothing claims.
 * carried: names that are there for other programs.
 * Throws NOT_FOUND for a missing parameter, looking at what is there instead; SHAPE for one of another shape;
 * UNSUPPORTED for codes where floats belong and for what stands beside a weight and would be left out.
 */
export const checkParameters = (
  expected: Iterable<Expected>,
  params: ParameterStore,
  carried: readonly string[] = [],
): readonly string[] => {
  const names = new Set(params.names())
  const known = new Set([...carried, PROMPT])
  for (const parameter of expected) {
    if (!names.has(parameter.name)) throw missing(parameter.name, params.names())
    if (!parameter.whole) checkDType(parameter.name, params)
    checkShape(parameter, params.info(parameter.name).shape)
    known.add(parameter.name)
  }
  const left = params.names().filter(name => !known.has(name) && !GRIDS.test(name) && !BUFFERS.test(name))
  for (const name of left) checkLeftover(name, known)
  return unclaimedNote(left)
}
