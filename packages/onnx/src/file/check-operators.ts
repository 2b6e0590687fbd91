import { isFieldSet } from '@bufbuild/protobuf'
import { badFile } from '@tersor/formats/internal/files/bad-file'
import { MICROSOFT } from './build.js'
import {
  AttributeProto_AttributeType as Type,
  AttributeProtoSchema,
  type AttributeProto,
  type ModelProto,
  type NodeProto,
} from './schema/onnx-ml_pb.js'
import { innerGraphs } from './subgraphs.js'
import { LAST_OPSET, OPERATORS } from './tables/operators.js'

const BROKEN = 'The graph is damaged: export it again.'

const quoted = (name: string): string => JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)

const damaged = (node: NodeProto, what: string): Error =>
  badFile(`Node ${quoted(node.opType)}${node.name ? ` (${quoted(node.name)})` : ''} ${what}.`, BROKEN, {
    name: node.name,
  })

const { field } = AttributeProtoSchema
/** The field that holds the value of an attribute, by its type. */
const HOLDS = {
  ...{ [Type.FLOAT]: field.f, [Type.INT]: field.i, [Type.STRING]: field.s, [Type.TENSOR]: field.t, [Type.GRAPH]: field.g },
  ...{ [Type.FLOATS]: field.floats, [Type.INTS]: field.ints, [Type.STRINGS]: field.strings, [Type.TENSORS]: field.tensors },
  ...{ [Type.GRAPHS]: field.graphs, [Type.SPARSE_TENSOR]: field.sparseTensor, [Type.SPARSE_TENSORS]: field.sparseTensors },
  ...{ [Type.TYPE_PROTO]: field.tp, [Type.TYPE_PROTOS]: field.typeProtos },
}
const VALUES = Object.values(HOLDS)
/** Domains that runtimes have without being told; what their versions hold is theirs to say. */
const RUNTIME_DOMAINS: readonly string[] = ['', 'ai.onnx.ml', 'ai.onnx.training', 'ai.onnx.preview.training', MICROSOFT]
/** Attributes without which an operator of ONNX Runtime has no shape. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = { MatMulNBits: ['K', 'N', 'block_size'] }

/** Files of this version and later say the types of attributes. */
const IR_OF_TYPES = 2n

const checkAttribute = (node: NodeProto, attribute: AttributeProto, typed: boolean): void => {
  const { name, type } = attribute
  if (name === '') throw damaged(node, 'has an attribute without a name')
  if (type === Type.UNDEFINED && !typed) return
  const own = (HOLDS as Readonly<Record<number, (typeof VALUES)[number]>>)[type]
  if (!own || VALUES.some(each => each !== own && isFieldSet(attribute, each)))
    throw damaged(node, `has an attribute ${quoted(name)} whose value is not of its type`)
}

/** How a node of ONNX's own domain must look, in any version. */
const checkOperator = (node: NodeProto): void => {
  if (!Object.hasOwn(OPERATORS, node.opType)) throw damaged(node, 'is no operator of ONNX')
  const [fewest, most, attributes] = OPERATORS[node.opType]
  const count = node.input.length
  if (count < fewest || count > most)
    throw damaged(
      node,
      `has ${count} inputs; it takes ${most === fewest ? fewest : most === Infinity ? `${fewest} or more` : `${fewest} to ${most}`}`,
    )
  const known = attributes?.split(' ')
  const stranger = known && node.attribute.find(({ name }) => !known.includes(name))
  if (stranger) throw damaged(node, `has an attribute ${quoted(stranger.name)}, which the operator has not`)
}

/**
 * Throws BAD_FILE for a model without versions of its operators and for nodes that no runtime takes: of a domain that the model does not import, of ONNX's own domain and none of its operators,
 * with too few or too many inputs, or with attributes that the operator has not or that are not of their type. Operators of later versions of
 * ONNX than the table knows, of other domains, and functions that the model brings are left to the runtime.
 */
export const checkOperators = ({ graph, opsetImport, irVersion, functions }: ModelProto): void => {
  const imported = new Map(opsetImport.map(({ domain, version }) => [domain, version]))
  const brought = new Set(functions.map(({ domain, name }) => `${domain}:${name}`))
  const isKnown = (imported.get('') ?? 0n) <= LAST_OPSET
  if (opsetImport.length === 0) throw badFile('The model names no version of its operators.', BROKEN)
  const visit = (node: NodeProto): void => {
    const { domain, opType, attribute } = node
    if (!imported.has(domain) && !RUNTIME_DOMAINS.includes(domain))
      throw damaged(node, `is of the domain ${quoted(domain)}, of which the model names no version`)
    attribute.forEach(each => checkAttribute(node, each, irVersion >= IR_OF_TYPES))
    const missing = domain === MICROSOFT && REQUIRED[opType]?.find(name => !attribute.some(each => each.name === name))
    if (missing) throw damaged(node, `lacks the attribute ${quoted(missing)}`)
    if (domain === '' && isKnown && !brought.has(`:${opType}`)) checkOperator(node)
    innerGraphs(node).forEach(inner => inner.node.forEach(visit))
  }
  graph!.node.forEach(visit)
}
