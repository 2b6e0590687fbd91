/** One of four processes that exchange gradients of the bundled model's shapes over a slow link: `EXCHANGE BITS_PER_SECOND STEPS FILE`. */
import { createRng, type ExchangedGradient } from '@tersor/core'
import { throttled } from '@tersor/gradients'
import { processes } from '@tersor/gradients/processes'
import { sizeOf } from '@tersor/tensor'
import { writeFile } from 'node:fs/promises'
import { openModel } from '@tersor/models'
import { join } from 'node:path'
import { BUNDLED } from '../bundled-model.js'
import { LINK_EXCHANGES } from './link-exchanges.js'

const [name, speed, count, file] = process.argv.slice(2)
const [bitsPerSecond, steps] = [Number(speed), Number(count)]
const model = await openModel(join(BUNDLED, 'model'))
const shapes = [...new Set(model.stages.flatMap(({ parameters }) => parameters))].map(parameter => [parameter, model.params.info(parameter).shape] as const) // prettier-ignore
const peers = await processes(link => throttled(link, { bitsPerSecond, latency: 0.2 }))
const exchange = LINK_EXCHANGES[name](peers)
const states = shapes.map(([parameter, shape]) => exchange.init(shape, { name: parameter }))
const rng = createRng(peers.rank)
/** Drawn once: what is drawn costs more than what is measured. */
const drawn = shapes.map(([, shape]) => Float32Array.from({ length: sizeOf(shape) }, () => rng.normal() ** 3))

let [started, sent] = [0, 0]
for (let step = 0; step <= steps + 1; step++) {
  if (step === 2) {
    await peers.gather(new Uint8Array(0)) // the first steps greet, choose and warm up
    ;[started, sent] = [performance.now(), peers.traffic.sent]
  }
  const gradients = shapes.map(([parameter, shape], i): ExchangedGradient => ({ name: parameter, shape, values: drawn[i].slice(), state: states[i] })) // prettier-ignore
  await exchange.run({ step, loss: 1, gradients, rng: createRng(7).fork(`step ${step}`) })
}
const told = { ms: (performance.now() - started) / steps, kilobytes: (peers.traffic.sent - sent) / steps / 1000 }
if (peers.rank === 0) await writeFile(file, JSON.stringify(told))
await peers.close()
