/** Claims about training at few bits: learned steps, and small matrices beside codes. */
import {
  chain,
  clip,
  compress,
  nesterov,
  pipeline,
  warmupCosine,
  type Method,
  type Model,
  type Parametrization,
  type Pass,
} from '@tersor/core'
import { eora, lora } from '@tersor/low-rank'
import { gptq, lsq, pact } from '@tersor/quantization'
import { type Parameter } from '@tersor/tensor'
import { PERPLEXITY, RIGHT, type Claim } from './claim.js'
import { IMAGES, openResNet, rightOf, trainOnImages } from './images.js'
import { bundled, perplexityOf } from './texts.js'

const STEPS = 60
const BITS = { bits: 3, inputs: 3 } as const
/** As many scales for LSQ as PACT stores. */
const ROWS = { granularity: 'row' } as const

/** PACT whose bounds stay at the largest input of the first batch: rounding on min-max ranges, straight through. */
const straightThrough = (): Parametrization => {
  const { init, weight, input, finish } = pact(BITS)
  return {
    name: 'straight-through',
    frozen: ['alpha', 'inputLow', 'inputHigh'],
    sees: pact(BITS).sees!,
    init,
    weight,
    input: input!,
    finish,
  }
}

const learnedSteps: Claim = {
  name: 'lsq',
  says: `ResNet-20 at 3 bits, weights and inputs, ${STEPS} steps of 50 images: LSQ above PACT and above straight-through on min-max ranges`,
  data: IMAGES,
  figures: { right: RIGHT },
  sides: async () => {
    const model = await openResNet('resnet20')
    const steps = STEPS
    const learningRate = warmupCosine({ peak: 0.01, warmup: 10, steps, floor: 0.01 })
    const transform = chain(clip({ norm: 5 }), nesterov({ learningRate })) // as in both papers: Adam would undo how their gradients are scaled
    const trained = (parametrize?: Parametrization) => async (seed: number) => {
      const made = await trainOnImages(model, seed, { steps, transform, ...(parametrize && { parametrize }) })
      return { right: await rightOf(made) }
    }
    return [
      { name: 'float', measure: trained() },
      { name: 'LSQ', measure: trained(lsq({ ...BITS, ...ROWS })) },
      { name: 'PACT', measure: trained(pact(BITS)) },
      { name: 'straight-through', measure: trained(straightThrough()) },
    ]
  },
  orders: [
    { figure: 'right', first: 'LSQ', than: 'PACT' },
    { figure: 'right', first: 'LSQ', than: 'straight-through' },
  ],
}

const RANK = 8
const TWO_BITS = { bits: 2, group: 64 } as const
const ADAPTER_STEPS = 100

/** The whole numbers of a tree: what codes and masks are kept in. */
const wholeNumbers = (parameter: Parameter): readonly Uint8Array[] => {
  if (parameter.kind === 'dense') return /^[iu]\d/.test(parameter.dtype) ? [parameter.bytes] : []
  return Object.values(parameter.parts).flatMap(wholeNumbers)
}

/** Bytes of codes that differ. */
const changedCodes = async (before: Model, after: Model): Promise<number> => {
  let changed = 0
  for (const name of before.params.names()) {
    const [old, now] = [wholeNumbers(await before.params.read(name)), wholeNumbers(await after.params.read(name))]
    if (old.length !== now.length) throw new Error(`${name} has ${now.length} parts of codes, and had ${old.length}.`)
    old.forEach((bytes, part) => bytes.forEach((byte, i) => (changed += Number(byte !== now[part][i]))))
  }
  return changed
}

const adapters: Claim = {
  name: 'qlora',
  says: `the bundled model at 2 bits by GPTQ, rank ${RANK}, ${ADAPTER_STEPS} steps: QLoRA below EoRA; no code changes`,
  figures: { perplexity: PERPLEXITY, 'codes changed': { better: 'lower', digits: 0, tie: 0 } },
  sides: async () => {
    const { model, calibration } = await bundled()
    const run = (seed: number, ...steps: readonly (Method | Pass)[]) => compress(model, pipeline(...steps), { calibration, seed })
    const rounding = gptq(TWO_BITS)
    return [
      { name: 'float', fixed: true, measure: async () => ({ perplexity: await perplexityOf(model) }) },
      { name: '2 bits', fixed: true, measure: async seed => ({ perplexity: await perplexityOf(await run(seed, rounding)) }) },
      {
        name: 'EoRA',
        fixed: true,
        measure: async seed => ({ perplexity: await perplexityOf(await run(seed, rounding, eora({ rank: RANK }))) }),
      },
      {
        name: 'QLoRA',
        measure: async seed => {
          const repaired = await run(seed, rounding, lora({ rank: RANK, steps: ADAPTER_STEPS }))
          return { perplexity: await perplexityOf(repaired), 'codes changed': await changedCodes(await run(seed, rounding), repaired) }
        },
      },
    ]
  },
  orders: [
    { figure: 'perplexity', first: 'QLoRA', than: 'EoRA' },
    { figure: 'codes changed', first: 'QLoRA', than: 0 },
  ],
}

export const QUANTIZATION: readonly Claim[] = [learnedSteps, adapters]
