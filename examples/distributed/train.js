/**
 * `mpirun -n 4 node train.js --codec "top-k(density=0.01)"`, or without MPI `node train.js --workers 4 …`: trains the architecture of the
 * bundled model once through the codec with error feedback and once uncompressed, and tells bytes, seconds and losses of both.
 */
import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { adam, chain, clip, createRng, crossEntropy, train, warmupCosine, windowBatches } from '@tersor/core'
import { readDocuments, windowsOf } from '@tersor/evaluation'
import * as gradients from '@tersor/gradients'
import { mpi } from '@tersor/gradients/mpi'
import { isLaunched, launch, processes } from '@tersor/gradients/processes'
import { freshModel, openModel } from '@tersor/models'
import { readFile } from 'node:fs/promises'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    codec: { type: 'string', default: 'top-k(density=0.01)' },
    steps: { type: 'string', default: '40' },
    workers: { type: 'string' },
    'bits-per-second': { type: 'string' },
  },
})
const BUNDLED = fileURLToPath(new URL('../bundled-model/', import.meta.url))
const [ROWS, LENGTH] = [2, 64]
const STEPS = Number(values.steps)
const SPEED = values['bits-per-second'] && Number(values['bits-per-second'])

/** "top-k(density=0.01)" as a codec of @tersor/gradients. */
const codecOf = text => {
  const [, name, options = ''] = /^([\w-]+)(?:\((.*)\))?$/.exec(text) ?? []
  const factory = Object.values(gradients).find(each => each.description?.kind === 'codec' && each.description.name === name)
  if (!factory) throw new Error(`No codec is called ${text}.`)
  const pairs = options.split(',').filter(Boolean).map(pair => pair.split('=').map(word => word.trim())) // prettier-ignore
  return factory(Object.fromEntries(pairs.map(([key, value]) => [key, Number(value)])))
}

/** This worker's windows: other ones than the others'. */
const dataFor = async ({ rank }) => {
  const model = await openModel(`${BUNDLED}model`)
  const documents = await readDocuments(`${BUNDLED}text/calibration.txt`)
  const windows = windowsOf(documents, model.tokenizer, LENGTH + 1).filter(window => window.length === LENGTH + 1)
  await model.close?.()
  const batches = windowBatches({ windows, batch: ROWS, length: LENGTH, seed: rank })
  return (step, rng) => batches(step, rng.fork(`worker ${rank}`))
}

const run = async (peers, title, exchange) => {
  const config = JSON.parse(await readFile(`${BUNDLED}model/config.json`, 'utf8'))
  const [before, started] = [peers.traffic.sent, performance.now()]
  const losses = []
  await train(freshModel(config, { seed: 1 }), {
    objective: crossEntropy,
    transform: chain(clip({ norm: 1 }), adam({ learningRate: warmupCosine({ peak: 2e-3, warmup: 5, steps: STEPS }) })),
    data: await dataFor(peers),
    exchange,
    steps: STEPS,
    rng: createRng(1),
    onProgress: event => event.type === 'trained' && losses.push(event.loss),
  })
  const last = losses.slice(-5).reduce((sum, loss) => sum + loss, 0) / 5
  const megabytes = (peers.traffic.sent - before) / STEPS / 1e6
  return [
    title,
    `${megabytes.toFixed(3)} MB`,
    `${((performance.now() - started) / 1000).toFixed(1)} s`,
    losses[0].toFixed(3),
    last.toFixed(3),
  ]
}

const work = async () => {
  await tf.setBackend('ort')
  const through = SPEED ? link => gradients.throttled(link, { bitsPerSecond: SPEED }) : link => link
  const peers = isLaunched() ? await processes(through) : await mpi({ through })
  try {
    const codec = codecOf(values.codec)
    const wrapper = codec.promises === 'unbiased' ? gradients.exchanged : gradients.errorFeedback
    const rows = [
      await run(peers, `${wrapper.description.name}(${values.codec})`, wrapper(peers, { codec })),
      await run(peers, 'uncompressed', gradients.exchanged(peers, { codec: gradients.plain() })),
    ]
    if (peers.rank > 0) return
    const table = [['', 'sent a step', 'seconds', 'first loss', 'last losses'], ...rows]
    const widths = table[0].map((_, i) => Math.max(...table.map(row => row[i].length)))
    console.log(`${peers.size} workers, ${STEPS} steps of ${ROWS} x ${LENGTH} tokens each${SPEED ? `, ${SPEED / 1e6} Mbit/s` : ''}`)
    for (const row of table) console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '))
  } finally {
    await peers.close()
  }
}

if (values.workers && !isLaunched()) {
  const codes = await launch({ size: Number(values.workers), script: fileURLToPath(import.meta.url), args: process.argv.slice(2) })
  process.exitCode = Math.max(...codes)
} else await work()
