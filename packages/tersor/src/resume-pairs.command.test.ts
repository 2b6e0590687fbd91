import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, pipeline, type ProgressEvent, type Step } from '@tersor/core'
import { scratchFolder } from '@tersor/formats/scratch'
import { selectEngine } from '@tersor/kernels'
import { eora, svd } from '@tersor/low-rank'
import { picoLlama } from '@tersor/models'
import { sparseGpt } from '@tersor/pruning'
import { awq, gptq, hadamard, kQuant, quantizeActivations, rtn, smoothQuant } from '@tersor/quantization'
import { hasCode } from '@tersor/tensor'
import { bytesOfModel } from '@tersor/testing'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** One step of each kind: by weight, by inputs, by both and column for column, repairs, whole stages, whole models. */
const STEPS: Readonly<Record<string, () => Step>> = {
  rtn: () => rtn({ bits: 4, group: 8 }),
  'k-quant': () => kQuant({ type: 'q4_0', importance: true }),
  gptq: () => gptq({ bits: 4, group: 8 }),
  'sparse-gpt': () => sparseGpt({ pattern: '2:4' }),
  svd: () => svd({ rank: 4 }),
  eora: () => eora({ rank: 2 }),
  awq: () => awq({ bits: 4, group: 8, steps: 3 }),
  'smooth-quant': () => smoothQuant(),
  hadamard: () => hadamard(),
  'quantize-activations': () => quantizeActivations(),
}

const NAMES = Object.keys(STEPS)
/** Every pair at one stop in the slow run, at all of them by `npm run endurance -- pairs`; else a tenth, each step once in both places. */
const ALL = process.env.TERSOR_RESUME_PAIRS === 'all'
const SLOW = process.env.TERSOR_SLOW === '1'
const STOPS = SLOW ? 20 : 4
const PAIRS = NAMES.flatMap((first, i) => NAMES.map((second, j) => [first, second, i + 3 * j] as const)).filter(
  ([, , place]) => ALL || SLOW || place % 10 === 0,
)

let folder = ''
let batches: tf.Tensor[] = []

beforeAll(async () => {
  expect((await selectEngine({ engine: 'ort' })).engine).toBe('ort')
  folder = await mkdtemp(join(tmpdir(), 'tersor-pairs-'))
  batches = [0, 1, 2].map(seed =>
    tf.tensor2d(
      Int32Array.from({ length: 24 }, (_, i) => (i * 7 + seed * 13) % 60),
      [1, 24],
      'int32',
    ),
  )
})
afterAll(async () => {
  tf.dispose(batches)
  await rm(folder, { recursive: true, force: true })
})

/** The bytes of a result, or the code of its refusal; stopped at the stage of a number (or another event), or run to the end where absent. */
const bytesOf = async (steps: readonly Step[], scratch: string, resume: boolean, stopAt = Infinity, type?: 'any') => {
  const controller = new AbortController()
  const seen: ProgressEvent[] = []
  let stages = 0
  const onProgress = (event: ProgressEvent): void => {
    seen.push(event)
    if ((type === 'any' || event.type === 'stage') && stages++ === stopAt) controller.abort(new Error('stopped'))
  }
  try {
    const small = await compress(picoLlama({ context: 32, seed: 5 }), pipeline(...steps), {
      ...{ calibration: batches, seed: 3, scratch: scratchFolder(join(folder, scratch)), resume, onProgress, signal: controller.signal },
    })
    return { all: await bytesOfModel(small), stages, seen }
  } catch (error) {
    if (controller.signal.aborted) return { stopped: true, stages }
    if (hasCode(error, 'COMPOSITION')) return { refused: (error as Error).message, stages }
    throw error
  }
}

it.each(PAIRS)('%s then %s: stopped anywhere and resumed, the same bytes', async (first, second, place) => {
  const steps = () => [STEPS[first](), STEPS[second]()]
  const whole = await bytesOf(steps(), 'whole', false)
  if ('refused' in whole) return
  const stops = Array.from({ length: whole.stages - 1 }, (_, i) => i + 1)
  for (const stop of ALL ? stops : [stops[place % stops.length]]) {
    const scratch = `${first}-${second}-${stop}`
    const stopped = await bytesOf(steps(), scratch, false, stop)
    expect(stopped).toMatchObject({ stopped: true })
    const resumed = await bytesOf(steps(), scratch, true).catch(error => {
      if (hasCode(error, 'RESUME')) return bytesOf(steps(), scratch, false) // nothing was finished
      throw error
    })
    expect(resumed.all).toEqual(whole.all)
  }
})

it(`awq then gptq, stopped ${STOPS} times over both passes: the same bytes, and what a pass finished is not done again`, async () => {
  const steps = () => [STEPS.awq(), STEPS.gptq()]
  const { all, stages: events = 0 } = await bytesOf(steps(), 'awq-gptq', false, Infinity, 'any')
  const [resumed, first] = [new Set<string>(), Math.floor(events / (STOPS + 1))]
  for (let stop = first; stop <= STOPS * first; stop += first) {
    const scratch = `awq-gptq-${stop}`
    expect(await bytesOf(steps(), scratch, false, stop, 'any')).toMatchObject({ stopped: true })
    const again = await bytesOf(steps(), scratch, true).catch(() => bytesOf(steps(), scratch, false)) // nothing was finished
    expect(again.all).toEqual(all)
    again.seen?.forEach(event => event.type === 'resumed' && resumed.add(event.pass))
  }
  expect([...resumed]).toEqual(['awq', 'gptq'])
})
