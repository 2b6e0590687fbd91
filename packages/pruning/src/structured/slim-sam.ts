import type { Tensor } from '@tensorflow/tfjs-core'
import { choice, collectBatches, definePass, fraction, shrink, texts, trainIn, TRAINING, trainingOf, type Context, type Coupling, type Model } from '@tersor/core' // prettier-ignore
import { CompressionError } from '@tersor/tensor'
import { alignInside, alignStream, answeredBy } from './align-features.js'
import { readingsAt, readingsOf } from './input-norms.js'
import { selectUnits, type Share } from './selection.js'
import { couplingsOf } from './structured.js'
import { CHEN, unitDisturbedTaylor } from './unit-disturbed-taylor.js'

const NAME = 'slim-sam'

/** Streams between blocks: one, or one for each width. Throws UNSUPPORTED where their cut would cut the features. */
const streamsOf = (model: Model): readonly Coupling[] => {
  const streams = couplingsOf(NAME, model, ['stream'])
  const stream = streams.find(({ exposed }) => exposed)
  if (!stream) return streams
  throw new CompressionError(
    'UNSUPPORTED',
    `${NAME} compares features before and after its cuts, and "${stream.name}" is what this network gives.`,
    'Use it on a network with a head behind its stream, or cut with structured and teach with fit-nets.',
    { coupling: stream.name },
  )
}

/** Where units are read inside of blocks, whose widths a cut of the stream leaves. */
const insideOf = ({ stages }: Model, couplings: readonly Coupling[]): readonly string[] => {
  const readings = readingsOf(couplings)
  const reads = stages.flatMap(({ sites }) => sites).filter(site => readingsAt(readings, site).length > 0)
  return reads.map(({ name }) => `${name}.inputs`)
}

/** Leaves out units by scores of the network as it is now. */
const cut = async (model: Model, couplings: readonly Coupling[], share: Share, context: Context): Promise<Model> => {
  const scores = await unitDisturbedTaylor().of({ step: NAME, model, couplings, context })
  return shrink(model, { keep: selectUnits(couplings, scores, share) }, context)
}

/** As many channels of the stream as heads divide. */
const multipleIn = ({ couplings = [] }: Model): number => couplings.find(({ kind }) => kind === 'heads')?.units ?? 1

/**
 * SlimSAM: cuts the stream and then the inside of blocks, by disturbed Taylor scores, and learns the features back behind each, without labels.
 * First ½ mean (y₀ − y)² + ½ what is inside of blocks, then (1 − a) mean (y₀ − y)² + a (blocks + outputs of the network before the second
 * cut), with a from 10/11 to 0 half way; y₀ of the network as it was given. X: whatever the network takes.
 * Throws BAD_OPTION, NO_CALIBRATION; UNSUPPORTED for units that the network has not, for a stream that is what it gives and where no
 * gradients pass; COMPOSITION for compressed weights that cannot be cut; what `train` throws.
 * Chen et al. 2023, https://arxiv.org/abs/2312.05284
 */
export const slimSam = definePass({
  name: NAME,
  summary: 'cuts the stream and then the inside of blocks without labels, and learns the features back behind each cut',
  paper: CHEN,
  differs:
    'inside of blocks it compares what heads and neurons hand on, in the place of queries, keys and values too; the rate follows a cosine instead of a validation set; terms over several blocks are means',
  options: {
    keep: fraction({ default: 0.5, doc: 'share of each kind of units that stays' }),
    units: texts({
      default: ['sizes', 'neurons'],
      doc: 'kinds of units of the second cut: sizes, heads, queries, neurons, experts, channels',
    }),
    among: choice(['coupling', 'kind'], { default: 'kind', doc: 'whether these are compared within their block or with those of all blocks, whose widths then differ' }), // prettier-ignore
    steps: { ...TRAINING.steps, doc: 'steps of training behind each of the two cuts' },
    rows: TRAINING.rows,
    rate: TRAINING.rate,
    checkpoint: TRAINING.checkpoint,
  },
  check: ({ units }) => (units.includes('stream') ? ['the stream is what the first cut cuts.', 'Leave "stream" out of units.'] : undefined),
  run: async (model, given, { keep, units, among, ...training }) => {
    const calibration: readonly Tensor[] = await collectBatches(NAME, given.calibration)
    const at = (index: number, step: string): Context => ({ ...given.within(index, step), calibration })
    const course = trainingOf({ ...training, terms: undefined, weights: undefined })
    const [streams, inside] = [streamsOf(model), insideOf(model, couplingsOf(NAME, model, units))]
    const narrow = await cut(model, streams, { keep, among: 'coupling', multiple: multipleIn(model) }, at(0, 'stream'))
    const objective = alignInside(NAME, inside, training.steps)
    const aligned = await trainIn(at(1, 'align-stream'), NAME, narrow, { ...course, objective, teacher: model })
    const share: Share = { keep, among, normaliser: 'gaussian', multiple: 1 }
    const slim = await cut(aligned, couplingsOf(NAME, aligned, units), share, at(2, 'blocks'))
    const last = at(3, 'align-blocks')
    const { data, dispose } = await answeredBy(model, calibration, training.rows, last.rng.fork('rows'), given.signal)
    try {
      const blocks = aligned.stages.slice(0, -1).map(({ name }) => name)
      return await trainIn(last, NAME, slim, { ...course, data, objective: alignStream(NAME, blocks, training.steps), teacher: aligned })
    } finally {
      dispose()
    }
  },
})
