import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { createRng } from '../run/rng.js'
import { chain } from './gradient-transform.js'
import { clip } from './clip.js'
import { fit } from './fit.js'
import type { FitOptions, Trained } from './fit-options.js'
import { accumulated, sharpness } from './plan.js'
import { sgd } from './sgd.js'

type Numbers = { readonly x: tf.Tensor }

/** One number w that begins at 1, and rows x that it is to be: loss = mean (w − x)². */
const line = (rows: readonly number[] = [3]) => {
  const variable = tf.variable(tf.scalar(1))
  const trained: readonly Trained[] = [{ name: 'w', variable }]
  let runs = 0
  const options: FitOptions<Numbers> = {
    trained,
    steps: 3,
    data: () => ({ x: tf.tensor1d([...rows]) }),
    loss: ({ x }) => (runs++, tf.mean(tf.square(tf.sub(variable, x)))),
    transform: sgd({ learningRate: 0.25 }),
  }
  return { options, variable, runs: () => runs, value: async () => (await variable.data())[0] }
}

describe.each(['cpu', 'ort'])('on %s', backend => {
  beforeEach(async () => void (await tf.setBackend(backend)))

  it('moves what is trained by its gradient, and tells loss and norm', async () => {
    const { options, value, variable } = line()
    const seen: number[][] = []
    await fit({ ...options, onProgress: event => event.type === 'trained' && seen.push([event.step, event.of, event.loss, event.norm]) })
    // w = 1, 2, 2.5, 2.75: gradient 2 (w − 3)
    expect(seen).toEqual([
      [1, 3, 4, 4],
      [2, 3, 1, 2],
      [3, 3, 0.25, 1],
    ])
    expect(await value()).toBe(2.75)
    variable.dispose()
  })

  it('asks for the numbers of each step, and has two graphs at most', async () => {
    const { options, value, variable } = line()
    const before = tf.memory().numTensors
    let runs = 0
    const seen: (readonly [number, number])[] = []
    await fit({
      ...options,
      steps: 6,
      loss: ({ x }, moment) => {
        runs++
        const noise = moment.tensor([1], ({ step, rng }) => (seen.push([step, rng.uniform()]), [0]))
        const distance = tf.sub(variable, tf.add(x, noise))
        return tf.mul(
          tf.mean(tf.square(distance)),
          moment.scalar(({ step, of }) => (step % 2) / (of / 6)),
        )
      },
    })
    expect(tf.memory().numTensors).toBe(before)
    expect(await value()).toBe(2.75) // only every second step counts
    expect(runs).toBe(backend === 'ort' ? 2 : 6)
    expect(new Set(seen.map(([, noise]) => noise)).size).toBe(6) // another stream at each step
    variable.dispose()
  })

  it('is right for a loss that reads the step by itself', async () => {
    const { options, value, variable } = line()
    await fit({ ...options, steps: 6, loss: (batch, moment) => tf.mul(options.loss(batch, moment, undefined), moment.step % 2) })
    expect(await value()).toBe(2.75)
    variable.dispose()
  })

  it('gives the loss what is made without gradients, and tells what the loss told', async () => {
    const { options, value, variable } = line()
    const told: number[] = []
    await fit<Numbers, tf.Tensor>({
      ...options,
      loss: (_batch, moment, target) => {
        moment.tell('distance', tf.sub(variable, target))
        return tf.mean(tf.square(tf.sub(variable, target)))
      },
      given: ({ x }) => tf.add(tf.mul(x, 1), tf.mul(variable, 0)), // w has no gradient by this way
      between: async (_clock, values) => {
        for (const [name, tensor] of values) if (name === 'distance') told.push((await tensor.data())[0])
      },
    })
    expect(told).toEqual([-2, -1, -0.5])
    expect(await value()).toBe(2.75)
    variable.dispose()
  })

  it('accumulates the gradients of parts, which are those of the whole', async () => {
    const [whole, parts] = [line([1, 2, 6, 7]), line([1, 2, 6, 7])]
    await fit({ ...whole.options })
    const losses: number[] = []
    await fit({ ...parts.options, plan: accumulated(2), onProgress: event => event.type === 'trained' && losses.push(event.loss) })
    expect(await parts.value()).toBe(await whole.value())
    expect(losses[0]).toBe((0 + 1 + 25 + 36) / 4)
    const before = tf.memory().numTensors
    await expect(fit({ ...parts.options, plan: accumulated(3) })).rejects.toThrow(
      'accumulated(3) got a batch whose x is [4].\nMake batches of a multiple of 3 rows.',
    )
    expect(tf.memory().numTensors).toBe(before)
    tf.dispose([whole.variable, parts.variable])
  })

  it('takes the gradient where the loss is largest nearby', async () => {
    const { options, value, variable } = line()
    // at 1 the gradient is −4, so it is taken at 1 − 0.5: 2 (0.5 − 3) = −5
    await fit({ ...options, steps: 1, plan: sharpness(0.5) })
    expect(await value()).toBe(1 + 0.25 * 5)
    const both = line([1, 3, 3, 5])
    await fit({ ...both.options, steps: 1, plan: sharpness(0.5, accumulated(2)) })
    expect(await both.value()).toBe(1 + 0.25 * 5)
    tf.dispose([variable, both.variable])
  })

  it('leaves nothing behind, wherever it is stopped', async () => {
    const { options, variable } = line([1, 2])
    const before = tf.memory().numTensors
    for (let stop = 1; stop <= 4; stop++) {
      const controller = new AbortController()
      let left = stop
      const run = fit({
        ...options,
        ...{ steps: 4, plan: sharpness(0.1, accumulated(2)), average: { decay: 0.5 }, signal: controller.signal },
        watch: { every: 1, keep: 'best', measure: step => -step },
        transform: chain(clip({ norm: 1 }), sgd({ learningRate: 0.1, momentum: 0.9 })),
        onProgress: () => --left === 0 && controller.abort(new Error('enough')),
      })
      await (stop === 4 ? run : expect(run).rejects.toThrow('enough'))
      expect(tf.memory().numTensors).toBe(before)
    }
    variable.dispose()
  })
})

describe('averages and watching', () => {
  beforeAll(async () => void (await tf.setBackend('cpu')))

  it('shows the average to the watch and stores it', async () => {
    const { options, value, variable } = line()
    const seen: number[] = []
    await fit({ ...options, average: { decay: 0.5 }, watch: { every: 2, measure: async () => (seen.push(await value()), 0) } })
    // w = 1, 2, 2.5, 2.75; a = 1, 1.5, 2, 2.375
    expect(seen).toEqual([2, 2.375])
    expect(await value()).toBe(2.375)
    variable.dispose()
  })

  it('stops when nothing gets better, and keeps the best', async () => {
    const { options, value, variable } = line()
    const measures = [5, 4, 6, 4, 9, 9]
    const steps: number[] = []
    await fit({
      ...options,
      steps: 6,
      watch: { every: 1, patience: 2, keep: 'best', measure: step => (steps.push(step), measures[step - 1]) },
    })
    expect(steps).toEqual([1, 2, 3, 4])
    expect(await value()).toBe(2.5)
    const last = line()
    await fit({ ...last.options, steps: 6, watch: { every: 1, patience: 2, measure: step => measures[step - 1] } })
    expect(await last.value()).toBe(2.875)
    tf.dispose([variable, last.variable])
  })
})

describe('what is refused', () => {
  beforeAll(async () => void (await tf.setBackend('cpu')))

  it('checks options before any work', async () => {
    const { options, variable } = line()
    const refused = (more: Partial<FitOptions<Numbers>>) =>
      expect(fit({ ...options, data: () => Promise.reject(new Error('no')), ...more })).rejects
    await refused({ steps: 0 }).toThrow('fit takes steps of at least 1, got 0.\nPass a positive integer.')
    await refused({ trained: [] }).toThrow('fit has nothing to train.\nLeave something that is not `frozen`.')
    await refused({ average: { decay: 1 } }).toThrow('fit got average.decay = 1.\nPass a number of at least 0 and below 1, such as 0.999.')
    await refused({ average: { decay: 0, every: 0 } }).toThrow(
      'fit got average.every = 0.\nPass a positive integer: steps from one to the next.',
    )
    await refused({ watch: { every: 1, patience: 0, measure: () => 0 } }).toThrow(
      'fit got watch.patience = 0.\nPass a positive integer: looks without a better one.',
    )
    await refused({ transform: { ...sgd({ learningRate: 1 }), moves: () => false } }).toThrow(
      'fit has nothing to train: sgd moves none of 1 variables.\nGive one of them a transform that moves it.',
    )
    expect(() => accumulated(0)).toThrow('accumulated got a count of 0.\nPass a positive integer: the parts of a batch.')
    expect(() => sharpness(0)).toThrow('sharpness got a radius of 0.\nPass a number above 0, such as 0.05.')
    variable.dispose()
  })

  it('says at which step the loss or the gradients are no numbers', async () => {
    const { options, variable } = line()
    const data = (step: number) => ({ x: tf.tensor1d([step === 1 ? NaN : 0]) })
    const remedy = 'Lower the learning rate, lengthen the warm-up or put clip({ norm: 1 }) before the optimiser.'
    const before = tf.memory().numTensors
    await expect(fit({ ...options, data })).rejects.toThrow(`The loss of step 2 of fit is NaN.\n${remedy}`)
    await expect(fit({ ...options, data, name: 'mine', blame: async () => 'the term "x"' })).rejects.toThrow('The loss of step 2 of mine is NaN, by the term "x".') // prettier-ignore
    const root: FitOptions<Numbers>['loss'] = ({ x }) => tf.mean(tf.sqrt(tf.abs(tf.mul(variable, tf.mul(x, 0)))))
    await expect(fit({ ...options, loss: root })).rejects.toThrow(`The gradients of step 1 of fit have the norm NaN.\n${remedy}`)
    expect(tf.memory().numTensors).toBe(before)
    variable.dispose()
  })
})

it('gives batches and updates streams of their own', async () => {
  await tf.setBackend('cpu')
  const { options, variable } = line()
  const drawn: number[] = []
  await fit({ ...options, rng: createRng(5), data: (_step, rng) => (drawn.push(rng.uniform()), { x: tf.tensor1d([rng.normal()]) }) })
  const again: number[] = []
  await fit({ ...options, rng: createRng(5), data: (_step, rng) => (again.push(rng.uniform()), { x: tf.tensor1d([rng.normal()]) }) })
  expect(again).toEqual(drawn)
  expect(new Set(drawn).size).toBe(3)
  variable.dispose()
})
