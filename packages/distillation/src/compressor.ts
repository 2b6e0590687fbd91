import {
  adam,
  chain,
  clip,
  createRng,
  evolve,
  trainIn,
  type Genome,
  type Model,
  type Pass,
  type Schedule,
  type TrainOptions,
} from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { softLabels } from './soft-labels.js'

/** Sizes of a BERT that the search chooses. */
export interface BertSizes {
  readonly heads: number
  readonly hidden: number
  readonly intermediate: number
  readonly layers: number
}

/** And what is given. */
export interface BertFrame {
  readonly vocabulary: number
  /** Rows of the table of positions; 514 where absent. */
  readonly positions?: number
  /** 1 where absent. */
  readonly tokenTypes?: number
  /** 2 where absent. */
  readonly classes?: number
}

const steps = (from: number, to: number, by: number): readonly number[] =>
  Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, i) => from + i * by)

/** The sizes that the paper tries. */
export const COMPRESSOR_SPACE = Object.freeze({
  heads: Object.freeze([1, 2, 4, 8]),
  hidden: Object.freeze(steps(16, 768, 16)),
  intermediate: Object.freeze(steps(32, 3040, 32)),
  layers: Object.freeze(steps(1, 12, 1)),
})

/** Weights of a BERT for classes: h (V + P + T + 2), per block 4 (h² + h) + 2 h i + i + h + 4 h, and head h² + h + C (h + 1). */
export const bertParameters = ({ hidden: h, intermediate: i, layers }: BertSizes, frame: BertFrame): number => {
  const { vocabulary, positions = 514, tokenTypes = 1, classes = 2 } = frame
  const block = 4 * (h * h + h) + 2 * h * i + i + h + 4 * h
  return h * (vocabulary + positions + tokenTypes + 2) + layers * block + h * h + h + classes * (h + 1)
}

/**
 * Operations of a forward pass over so many tokens, as the paper counts them (after ELECTRA): 2 for a product that is added up, 5 for a norm
 * or a softmax of a number, 8 for GELU, 4 for dropout, and rows of tables as products with all of their rows; one norm of a block is counted for one number alone, as theirs is.
 */
export const bertOperations = (
  { heads, hidden: h, intermediate: i, layers }: BertSizes,
  { vocabulary }: BertFrame,
  tokens: number,
): number => {
  const attention = 8 * h * h + 4 * h * tokens + (5 + 4 + 1) * tokens * heads + 4 * h
  const block = attention + 4 * h + h + 5 + 4 * h * i + 8 * i + i + h + 4 * h + h + 5 * h
  const embedding = 2 * h * vocabulary + 2 * h * (tokens + 2) + 2 * h + 5 * h + 4 * h
  const head = 2 * h * h + h + (4 + 8) * h + 2 * h
  return tokens * (layers * block + embedding + head)
}

export interface CompressorOptions extends BertFrame {
  /** The most that the weights may take as float32. */
  readonly bytes: number
  /** Sizes to try in the place of the paper's. */
  readonly space?: Partial<Record<keyof BertSizes, readonly number[]>>
  /** Of the evolution: 50, 100 and 0 where absent. */
  readonly population?: number
  readonly generations?: number
  readonly seed?: number
}

export interface FoundSizes {
  readonly sizes: BertSizes
  readonly parameters: number
  readonly operations: number
  /** A config.json of it, for `freshModel` of @tersor/models. */
  readonly config: Readonly<Record<string, unknown>>
}

const configOf = ({ heads, hidden, intermediate, layers }: BertSizes, frame: BertFrame): FoundSizes['config'] => {
  const { vocabulary, positions = 514, tokenTypes = 1, classes = 2 } = frame
  return {
    ...{ model_type: 'bert', architectures: ['BertForSequenceClassification'], num_labels: classes, vocab_size: vocabulary },
    ...{ max_position_embeddings: positions, type_vocab_size: tokenTypes, hidden_size: hidden, intermediate_size: intermediate },
    ...{ num_hidden_layers: layers, num_attention_heads: heads },
  }
}

/** What a network that takes more than the bytes is set back by: behind all that fit. */
const TOO_LARGE = 1e9

/**
 * Compressor: sizes of a BERT within so many bytes, found by evolution without any training: the more operations, the better it learns.
 * Fitness = operations / 1e9 − |bytes − 4 · parameters| / 1e6, of networks that fit before all others.
 * Throws BAD_OPTION as `evolve` does, and NOT_FOUND where nothing fits. Shi et al. 2022, https://arxiv.org/abs/2208.07120
 */
export const compressorSizes = async (options: CompressorOptions): Promise<FoundSizes> => {
  const { bytes, space, population, generations, seed = 0, positions = 514 } = options
  if (!(bytes > 0 && Number.isFinite(bytes)))
    throw new CompressionError('BAD_OPTION', `compressorSizes got bytes = ${bytes}.`, 'Pass what the weights may take.')
  const genes = { ...COMPRESSOR_SPACE, ...space }
  const takenBy = (sizes: BertSizes): number => 4 * bertParameters(sizes, options)
  const living = await evolve({
    ...{
      genes,
      rng: createRng(seed).fork('compressor'),
      ...(population && { population }),
      ...(generations !== undefined && { generations }),
    },
    accepts: ({ heads, hidden }: Genome<typeof genes>) => hidden % heads === 0,
    fitness: sizes => {
      const worth = bertOperations(sizes, options, positions) / 1e9 - Math.abs(bytes - takenBy(sizes)) / 1e6
      return takenBy(sizes) <= bytes ? worth : worth - TOO_LARGE
    },
  })
  const [{ genome: sizes }] = living
  if (takenBy(sizes) > bytes)
    throw new CompressionError(
      'NOT_FOUND',
      `No BERT over ${options.vocabulary} tokens was found within ${bytes} bytes.`,
      'Allow more bytes, a smaller vocabulary, or more generations.',
      { bytes },
    )
  return {
    ...{ sizes, parameters: bertParameters(sizes, options), operations: bertOperations(sizes, options, positions) },
    config: configOf(sizes, options),
  }
}

export interface CompressorTeaching {
  readonly teacher: Model
  /** Batches of the task's inputs; nobody asks for targets. */
  readonly data: TrainOptions['data']
  readonly steps: number
  /** Learning rate of Adam at its peak; 1e-4 where absent. */
  readonly rate?: number
}

/** Climbs on a line in a tenth of the steps, and falls on one. */
const climbAndFall = (peak: number, steps: number): Schedule => {
  const climb = Math.ceil(steps / 10)
  return step => peak * Math.min((step + 1) / climb, (steps - step) / Math.max(1, steps - climb))
}

/**
 * The distillation that follows: the student answers as the teacher does on inputs without labels. T² KL(softmax(t / T) ‖ softmax(s / T)), T = 10.
 * Throws BAD_OPTION, and while it runs what `train` throws. Shi et al. 2022, https://arxiv.org/abs/2208.07120
 */
export const compressor = ({ teacher, data, steps, rate = 1e-4 }: CompressorTeaching): Pass => {
  const wrong = !Number.isInteger(steps) || steps < 1 ? `steps = ${steps}` : !(rate > 0 && Number.isFinite(rate)) ? `rate = ${rate}` : ''
  if (wrong) throw new CompressionError('BAD_OPTION', `compressor got ${wrong}.`, 'Pass steps of at least 1, and a rate above 0.')
  return Object.freeze<Pass>({
    ...{ kind: 'pass', name: 'compressor', options: { steps, rate } },
    run: (model, context) =>
      trainIn(context, 'compressor', model, {
        ...{ teacher, data, steps, objective: softLabels({ temperature: 10 }) },
        transform: chain(clip({ norm: 1 }), adam({ learningRate: climbAndFall(rate, steps) })),
      }),
  })
}
