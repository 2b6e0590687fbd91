/** Claims about the bundled language model once its units are sorted: one file, many sizes. */
import { compress, cutSorted, firstUnitsOf, pipeline, remade, shrink, type Model, type Step } from '@tersor/core'
import { perplexity, sizeOfModel } from '@tersor/evaluation'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { openModel, type LanguageModel } from '@tersor/models'
import { uniql } from '@tersor/pruning'
import { rtn } from '@tersor/quantization'
import { copyStore, denseLeaves, fromIntegers, overlay, type Parameter } from '@tersor/tensor'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openBundled } from '../bundled-model.js'
import { PERPLEXITY, type Claim, type Figures, type Side } from '../training/claim.js'

const CUT = 0.85
const SHARES = [0.9, 0.75, 0.6]
/** Divides every width and head size that a cut leaves. */
const GROUP = 16
const SORTINGS: Readonly<Record<string, Step>> = { influence: uniql(), equal: uniql({ shares: 'equal' }) }

let opened: ReturnType<typeof openBundled> | undefined
const bundled = () => (opened ??= openBundled())

const figuresOf = async (model: LanguageModel): Promise<Figures> => ({
  perplexity: (await perplexity(model, (await bundled()).validation)).perplexity,
  thousands: sizeOfModel(model).parameters / 1000,
})

const made = new Map<string, Promise<LanguageModel>>()
/** The bundled model behind some steps, made once. */
const behind = (name: string, ...steps: readonly Step[]): Promise<LanguageModel> => {
  const run = async (): Promise<LanguageModel> => {
    const { model, calibration } = await bundled()
    return compress(model, pipeline(...steps), { calibration, seed: 1 })
  }
  if (!made.has(name)) made.set(name, run())
  return made.get(name)!
}

/** The bundled model as it is, said to be sorted as another one is: its first units are those that training left there. */
const unsorted = async (): Promise<LanguageModel> => {
  const { model } = await bundled()
  const { sorted } = await behind('influence', SORTINGS.influence)
  const tables = model.stages.flatMap(({ pairs }) => {
    if (!pairs) return []
    const [half, heads] = [pairs.size / 2, pairs.keys[0].count / pairs.size]
    return [[pairs.table, fromIntegers(Array.from({ length: heads * half }, (_, at) => at % half), 'i32', [heads, half])] as const] // prettier-ignore
  })
  return remade<LanguageModel>(model, { sorted: sorted! }).over(overlay(model.params, new Map<string, Parameter>(tables)))
}

/** How many parameters of two models are not the same bytes. */
const different = async (one: Model, other: Model): Promise<number> => {
  const names = new Set([...one.params.names(), ...other.params.names()])
  let count = 0
  for (const name of names) {
    const [a, b] = [denseLeaves(await one.params.read(name)), denseLeaves(await other.params.read(name))]
    if (a.length !== b.length || !a.every(({ bytes }, i) => Buffer.compare(bytes, b[i].bytes) === 0)) count++
  }
  return count
}

/** A share of a file, beside what cutting the sorted network at once gives. */
const opening = (name: string, share: number, steps: readonly Step[]): Side => ({
  name: `${name} ${share * 100} % of the file`,
  fixed: true,
  measure: async () => {
    const whole = await behind(name, ...steps)
    const folder = await mkdtemp(join(tmpdir(), 'tersor-claim-'))
    try {
      const path = join(folder, 'sorted')
      await (await copyStore(whole.params, huggingFaceSink(path, { config: whole.rawConfig }))).close?.()
      const cut = (await openModel(path, { cut: share })) as LanguageModel
      const figures = { ...(await figuresOf(cut)), different: await different(cut, await shrink(whole, firstUnitsOf(whole, share))) }
      await cut.close?.()
      return figures
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
})

const side = (name: string, make: () => Promise<LanguageModel>): Side => ({
  name,
  fixed: true,
  measure: async () => figuresOf(await make()),
})

const CODES = [SORTINGS.influence, rtn({ bits: 4, group: GROUP })]

const sorted: Claim = {
  name: 'uniql',
  says: `the bundled model sorted into one file: ${CUT * 100} % of it below as many first units of the model as it was, and three shares of it byte for byte what cutting at once gives, in floats and in codes of 4 bits`,
  figures: { perplexity: PERPLEXITY, thousands: { better: 'lower', digits: 0, tie: 0 }, different: { better: 'lower', digits: 0, tie: 0 } },
  sides: () => [
    side('whole', async () => (await bundled()).model),
    side('sorted', () => behind('influence', SORTINGS.influence)),
    side('not sorted, cut', async () => cutSorted(await unsorted(), CUT)),
    side('sorted, cut', async () => cutSorted(await behind('influence', SORTINGS.influence), CUT)),
    side('sorted, as much of every block', async () => cutSorted(await behind('equal', SORTINGS.equal), CUT)),
    ...SHARES.map(share => opening('floats:', share, [SORTINGS.influence])),
    side('4 bits', () => behind('4 bits:', ...CODES)),
    ...SHARES.map(share => opening('4 bits:', share, CODES)),
  ],
  orders: [
    { figure: 'perplexity', first: 'sorted', than: 'whole', orEqual: true },
    { figure: 'perplexity', first: 'sorted, cut', than: 'not sorted, cut' },
    ...['floats:', '4 bits:'].flatMap(name =>
      SHARES.map(share => ({ figure: 'different', first: `${name} ${share * 100} % of the file`, than: 0 })),
    ),
  ],
}

export const SORTED: readonly Claim[] = [sorted]
