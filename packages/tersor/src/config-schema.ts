import { recorded, type Description, type OptionTable } from '@tersor/core'
import { CHECKPOINT_FORMATS, DENSE_DTYPES, ONNX_FORMS, OUTPUT_FORMATS } from './format-flags.js'
import { listMethods } from './methods.js'

type Schema = Readonly<Record<string, unknown>>
type Option = OptionTable[string]

/** What values of an option look like to an editor, by the words that describe them. */
const KINDS: readonly (readonly [accepts: RegExp, schema: (accepts: string) => Schema])[] = [
  [/^true \| false$/, () => ({ type: 'boolean' })],
  [/^an integer/, accepts => ({ type: 'integer', ...bounds(accepts) })],
  [/^(a number|0 to 1|at least 0, below 1)/, accepts => ({ type: 'number', ...bounds(accepts) })],
  [/ \| /, accepts => ({ enum: accepts.split(' | ') })],
  [/^(text|N:M)/, () => ({ type: 'string' })],
]

/** "an integer from 1 to 8" → 1 and 8. */
const bounds = (accepts: string): Schema => {
  const [, from, to] = /from (-?[\d.e-]+) to (-?[\d.e-]+)/.exec(accepts) ?? []
  const least = /of at least (-?\d+)/.exec(accepts)?.[1] ?? from
  return { ...(least === undefined ? {} : { minimum: Number(least) }), ...(to === undefined ? {} : { maximum: Number(to) }) }
}

/** Text, default and range of an option, as editors show and check them. */
const optionSchema = ({ accepts, doc, default: initial, of, list }: Option): Schema => {
  const kind = of !== undefined || list ? {} : (KINDS.find(([words]) => words.test(accepts))?.[1](accepts) ?? {})
  const value = initial === undefined ? {} : { default: recorded({ initial }).initial }
  return { description: `${doc} (${accepts})`, ...kind, ...value }
}

/** One step by its name, with its options. */
const stepSchema = ({ name, summary, options }: Description): Schema => ({
  type: 'object',
  description: summary,
  additionalProperties: false,
  required: [name],
  properties: {
    [name]: {
      type: ['object', 'null'],
      description: summary,
      additionalProperties: false,
      properties: Object.fromEntries(Object.entries(options).map(([option, entry]) => [option, optionSchema(entry)])),
    },
  },
})

const text = (description: string): Schema => ({ type: 'string', description })
const choice = (description: string, words: readonly string[]): Schema => ({ enum: words, description })

/** The JSON schema of tersor.config.json and tersor.config.yaml: what editors complete and check. */
export const configSchema = (): Schema => {
  const steps = listMethods()
    .map(({ factory }) => factory.description)
    .filter(({ kind }) => kind === 'method' || kind === 'pass')
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const call = {
    type: 'string',
    description: 'a step as the command line takes it, such as gptq(bits=4)',
    examples: steps.map(({ name }) => name),
  }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'A run of tersor compress',
    type: 'object',
    additionalProperties: false,
    required: ['steps'],
    definitions: { step: { anyOf: [call, ...steps.map(stepSchema)] } },
    properties: {
      $schema: text('this schema'),
      model: text('a folder or file, or a name on the hub: hf:org/name'),
      calibrate: text('a file that methods learn from'),
      steps: {
        description: 'one step, or several in order',
        anyOf: [{ $ref: '#/definitions/step' }, { type: 'array', minItems: 1, items: { $ref: '#/definitions/step' } }],
      },
      for: text('the runtime that the result is for'),
      cut: { type: 'number', exclusiveMinimum: 0, maximum: 1, description: 'the share of its units that a sorted model is opened with' },
      out: text('where the result goes'),
      seed: { type: 'integer', minimum: 0, default: 0, description: 'decides everything that is random' },
      evaluate: text('a text or images that quality is measured on before and after'),
      report: text('a page about the run'),
      verify: { type: 'boolean', default: false, description: 'whether the result is run in the runtime that it is for' },
      format: choice('how the result is stored; by the end of out where absent', OUTPUT_FORMATS),
      type: text('GGUF: a block type such as q4_k or a mixture such as Q4_K_M'),
      imatrix: text('GGUF: a file that weighs columns'),
      form: choice('ONNX: how codes of weights are stored', ONNX_FORMS),
      checkpointFormat: choice('GPTQ and compressed-tensors: how layers are stored', CHECKPOINT_FORMATS),
      dtype: choice('what all floats become', DENSE_DTYPES),
    },
  }
}
