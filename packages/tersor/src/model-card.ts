import { VERSION } from '@tersor/core/version'
import { cellText } from './columns.js'
import { MEASURE_COLUMNS } from './comparison-columns.js'
import { isHubName } from './hub/hub-name.js'
import type { OutputFormat } from './format-flags.js'
import { bytesText } from './output.js'
import type { Quality } from './quality.js'
import { commandOf, type Recipe } from './recipe.js'

/** By which a card of ours is told from one that somebody wrote. */
export const CARD_MARK = '<!-- tersor.written -->'

/** What is known of a result for its card. */
export interface CardFacts {
  readonly recipe: Recipe
  readonly architecture: string
  /** What the model's own config says that it is: "org/name" where it came from a hub. */
  readonly saysItIs?: unknown
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly parameters: number
  readonly quality?: Quality | undefined
  /** Whether it gives text. */
  readonly generates: boolean
  /** The file in the folder to run, where it is one. */
  readonly file?: string | undefined
}

interface Library {
  readonly name: string
  readonly tags: readonly string[]
  /** How it is run, as code. */
  run(facts: CardFacts): readonly [language: string, code: string]
}

const tersorRun: Library['run'] = ({ generates }) =>
  generates
    ? ['sh', 'npx tersor generate PATH --prompt "Once upon a time"']
    : ['ts', "import { openModel } from '@tersor/models'\n\nconst model = await openModel('PATH')"]

const vllmRun: Library['run'] = () => ['sh', 'vllm serve PATH']

/** What the hub calls the library of a format, how it is found there, and how it is run. */
const LIBRARIES: Readonly<Record<OutputFormat, Library>> = {
  huggingface: { name: 'tersor', tags: [], run: tersorRun },
  gguf: { name: 'gguf', tags: ['gguf', 'llama.cpp'], run: ({ file }) => ['sh', `llama-cli -m ${file ?? 'PATH'} -p "Once upon a time"`] },
  gptq: { name: 'transformers', tags: ['gptq'], run: vllmRun },
  awq: { name: 'transformers', tags: ['awq'], run: vllmRun },
  'compressed-tensors': { name: 'transformers', tags: ['compressed-tensors'], run: vllmRun },
  onnx: {
    name: 'transformers.js',
    tags: ['onnx', 'transformers.js'],
    run: ({ generates }) => [
      'js',
      generates
        ? "import { pipeline } from '@huggingface/transformers'\n\nconst generate = await pipeline('text-generation', 'PATH')\nawait generate('Once upon a time', { max_new_tokens: 64 })"
        : "import { AutoModel } from '@huggingface/transformers'\n\nconst model = await AutoModel.from_pretrained('PATH')",
    ],
  },
  tfjs: {
    name: 'tfjs',
    tags: ['tfjs'],
    run: () => ['js', "import * as tf from '@tensorflow/tfjs'\n\nconst model = await tf.loadGraphModel('PATH/model.json')"],
  },
}

/** A name on the hub, where the model came from there: "org/name". */
const baseModel = ({ recipe, saysItIs }: Pick<CardFacts, 'recipe' | 'saysItIs'>): string | undefined => {
  const named = /^hf:([\w.-]+\/[\w.-]+)/.exec(recipe.model)?.[1]
  return named ?? (typeof saysItIs === 'string' ? /^[\w-][\w.-]*\/[\w-][\w.-]*$/.exec(saysItIs)?.[0] : undefined)
}

/** A path says where it was on one machine only: its last name is what others understand. */
const sourceName = (facts: CardFacts): string =>
  baseModel(facts) ??
  facts.recipe.model
    .replace(/[/\\]+$/, '')
    .split(/[/\\]/)
    .at(-1)!

const qualityTable = ({ before, after, data, learned }: Quality): string => {
  const columns = MEASURE_COLUMNS.filter(({ of }) => of(after) !== undefined)
  const row = (name: string, measures: Quality['after']): string =>
    `| ${[name, ...columns.map(column => cellText(column, measures))].join(' | ')} |`
  const name = data.split(/[/\\]/).at(-1)!
  return [
    `Measured on \`${name}\`${learned ? ', a text that it learned from' : ''}:`,
    '',
    `| | ${columns.map(({ head }) => head).join(' | ')} |`,
    `| --- |${columns.map(() => ' --- |').join('')}`,
    row('before', before),
    row('after', after),
  ].join('\n')
}

const frontMatter = (facts: CardFacts): string => {
  const { recipe } = facts
  const { name, tags } = LIBRARIES[recipe.format]
  const base = baseModel(facts)
  return [
    '---',
    ...(base === undefined ? [] : [`base_model: ${base}`, 'base_model_relation: quantized']),
    `library_name: ${name}`,
    ...(facts.generates ? ['pipeline_tag: text-generation'] : []),
    'tags:',
    ...['tersor', 'compressed', ...tags].map(tag => `  - ${tag}`),
    '---',
  ].join('\n')
}

/** Files by their last names, as the model is. */
const learnedFrom = ({ calibrate }: Recipe): Pick<Recipe, 'calibrate'> =>
  calibrate === undefined ? {} : { calibrate: [calibrate].flat().map(file => (isHubName(file) ? file : file.split(/[/\\]/).at(-1)!)) }

/** The README.md of a result, as the hub takes it. */
export const modelCard = (facts: CardFacts): string => {
  const { recipe, bytesBefore, bytesAfter, parameters, quality } = facts
  const [language, code] = LIBRARIES[recipe.format].run(facts)
  const times = bytesAfter < bytesBefore ? `, ${(bytesBefore / bytesAfter).toFixed(1)} times smaller` : ''
  const name = sourceName(facts)
  const shown = { ...recipe, model: isHubName(recipe.model) ? recipe.model : name, ...learnedFrom(recipe) }
  return `${frontMatter(facts)}

# ${name}, compressed

${name} (${facts.architecture}, ${parameters.toLocaleString('en')} parameters) as [Tersor](https://www.npmjs.com/package/tersor) ${VERSION} wrote it: ${bytesText(bytesBefore)} → ${bytesText(bytesAfter)}${times}, ${((8 * bytesAfter) / Math.max(1, parameters)).toFixed(2)} bits a weight.

## Run it

\`\`\`${language}
${code}
\`\`\`
${quality ? `\n## Quality\n\n${qualityTable(quality)}\n` : ''}
## How it was made

\`\`\`sh
${commandOf(shown)}
\`\`\`

\`tersor repeat\` on this folder makes the same bytes again from \`tersor.recipe.json\`.

${CARD_MARK}
`
}
