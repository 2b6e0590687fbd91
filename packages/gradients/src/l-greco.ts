import { integer, numbers, optional, values, type ExchangedGradient, type ExchangeStep } from '@tersor/core'
import { multipleChoiceKnapsack } from '@tersor/kernels/multiple-choice-knapsack'
import { addInto } from '@tersor/kernels/vectors'
import { CompressionError, sizeOf } from '@tersor/tensor'
import { candidateCodecs } from './candidate-codecs.js'
import { candidateRanks } from './candidate-ranks.js'
import type { Candidates, Measured } from './candidates.js'
import type { Collective } from './collective/collective.js'
import { isCodec, type Codec } from './define-codec.js'
import { codecOption, defineExchange } from './define-exchange.js'
import { averagePlainly, contextOf, valuesOf } from './coded-gradients.js'
import { greet, meetOnLoss } from './greeting.js'

/** What sums of float32 may be off by. */
const MEASURED = 1e-6

/** The fewest bytes at no more error than that of the uniform setting; the uniform setting where nothing is smaller. */
const choose = async (
  peers: Collective,
  candidates: Candidates,
  layers: readonly ExchangedGradient[],
  step: ExchangeStep,
): Promise<Uint8Array> => {
  // prettier-ignore
  const measured: (readonly Measured[])[] = []
  for (const layer of layers)
    measured.push(await candidates.measure({ ...layer, values: layer.state.gathered }, contextOf(step, `l-greco ${layer.name}`, peers)))
  const limit = (1 + MEASURED) * measured.reduce((sum, [uniform]) => sum + uniform.error, 0)
  const tables = { errors: measured.map(row => row.map(({ error }) => error)), sizes: measured.map(row => row.map(({ size }) => size)) }
  const choice = multipleChoiceKnapsack({ ...tables, limit })
  const sizeOfAll = (of: (layer: number) => number): number => measured.reduce((sum, row, layer) => sum + row[of(layer)].size, 0)
  return choice && sizeOfAll(layer => choice[layer]) < sizeOfAll(() => 0) ? Uint8Array.from(choice) : new Uint8Array(layers.length)
}

/** The first worker chooses by what it has gathered, and all follow. */
const chooseForAll = async (
  peers: Collective,
  candidates: Candidates,
  layers: readonly ExchangedGradient[],
  step: ExchangeStep,
): Promise<void> => {
  // prettier-ignore
  const own = peers.rank === 0 ? await choose(peers, candidates, layers, step) : undefined
  const choice = await peers.broadcast(own, 0)
  layers.forEach((layer, i) => {
    const { choice: of, gathered } = layer.state
    const before = of[0]
    of[0] = choice[i]
    gathered?.fill(0)
    if (before !== choice[i]) candidates.changed(layer, before)
  })
}

const countGiven = (...options: readonly unknown[]): number => options.filter(option => option !== undefined).length

/** The most candidates that one byte tells apart. */
const MOST = 255

const candidatesOf = (peers: Collective, codecs: readonly Codec[] | undefined, ranks: readonly number[] | undefined): Candidates => {
  if (codecs === undefined) return candidateRanks(peers, ranks!)
  const [feedback, unbiased] = [codecs.find(({ promises }) => promises === 'contractive'), codecs.find(({ promises }) => promises === 'unbiased')] // prettier-ignore
  if (feedback && unbiased)
    throw new CompressionError('COMPOSITION', `l-greco got ${feedback.name}, which is contractive, beside ${unbiased.name}, which is unbiased.`, 'Give it codecs of one kind: error feedback is for all or for none.', { feedback: feedback.name, unbiased: unbiased.name }) // prettier-ignore
  return candidateCodecs(peers, codecs)
}

/**
 * L-GreCo: each layer has a codec or a rank of its own, such that all bytes together are fewest and all squared errors together are no more
 * than where all layers have the uniform one: min Σ size(l, cₗ) with Σ ‖Gₗ − C(Gₗ; cₗ)‖² ≤ Σ ‖Gₗ − C(Gₗ; uniform)‖². The first worker
 * measures the sum of its gradients since the last choice, solves it by a dynamic program, and tells all. Codecs have error feedback around
 * them unless they are unbiased; ranks are those of PowerSGD. Bytes: those of what is chosen, and one a layer at each choice. State: that of
 * error feedback or PowerSGD, and n floats on the first worker. Throws BAD_OPTION; COMPOSITION for codecs of both kinds.
 * Alimohammadi et al. 2022, https://arxiv.org/abs/2210.17357
 */
export const lGreco = defineExchange({
  name: 'l-greco',
  summary: 'gives each layer the codec or rank with which all bytes are fewest at one error',
  paper: { title: 'L-GreCo: Layerwise-Adaptive Gradient Compression for Efficient and Accurate Deep Learning', authors: 'Alimohammadi et al.', year: 2022, url: 'https://arxiv.org/abs/2210.17357' }, // prettier-ignore
  differs: 'squared errors are added up, of all gradients since the last choice; the released code adds norms up, of the last ten',
  options: {
    codec: optional(codecOption('the uniform codec, whose error is the limit')),
    codecs: optional(values<Codec>({ of: 'codec', is: isCodec, doc: 'those that a layer may have in its place' })),
    rank: optional(integer({ min: 1, doc: 'the uniform rank of PowerSGD, whose error is the limit, in the place of a codec' })),
    ranks: optional(numbers({ doc: 'those that a layer may have in its place' })),
    start: integer({ min: 0, default: 10, doc: 'steps at the beginning that are exchanged as they are' }),
    first: integer({ min: 1, default: 20, doc: 'the step of the first choice; the uniform setting until then' }),
    every: integer({ min: 1, default: 1000, doc: 'steps from one choice to the next' }),
  },
  check: ({ codec, codecs, rank, ranks }) => {
    const [ofCodecs, ofRanks] = [countGiven(codec, codecs), countGiven(rank, ranks)]
    if (ofCodecs + ofRanks !== 2 || ofCodecs === 1)
      return ['it chooses codecs or ranks, and got neither or both.', 'Pass codec and codecs, or rank and ranks.']
    const bad = ranks?.find(rank => !(Number.isInteger(rank) && rank >= 1))
    if (bad !== undefined) return [`a rank of ${bad} is none.`, 'Pass integers of at least 1.']
    const count = (ranks ?? codecs)!.length
    return count < MOST ? undefined : [`${count} candidates are too many.`, `Pass fewer than ${MOST}.`]
  },
  make: (peers, { codec, codecs, rank, ranks, start, first, every }, name) => {
    const candidates = candidatesOf(peers, codecs && [codec!, ...codecs], ranks && [rank!, ...ranks])
    return {
      init: (shape, trained) => {
        if (!candidates.takes(shape)) return {}
        const state = { ...candidates.init(shape, trained.name), choice: new Float32Array(1) }
        return peers.rank === 0 ? { ...state, gathered: new Float32Array(sizeOf(shape)) } : state
      },
      run: async step => {
        if (step.step === 0) await greet(peers, name, step)
        const loss = await meetOnLoss(peers, step)
        const layers = step.gradients.filter(({ shape }) => candidates.takes(shape))
        layers.forEach(({ values, state: { gathered } }) => gathered && addInto(gathered, values))
        const isChosen = step.step >= first && (step.step - first) % every === 0
        if (isChosen && layers.length > 0) await chooseForAll(peers, candidates, layers, step)
        const coded = step.step >= start ? layers : []
        await averagePlainly(peers, valuesOf(step.gradients.filter(gradient => !coded.includes(gradient))))
        if (coded.length > 0) await candidates.exchange(coded, step)
        return { loss }
      },
    }
  },
})
