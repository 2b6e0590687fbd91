import * as tf from '@tensorflow/tfjs-core'
import {
  adam,
  callText,
  compress,
  decode,
  sitesOf,
  train,
  type Made,
  type Model,
  type Parametrization,
  type TrainOptions,
} from '@tersor/core'
import { abortEverywhere, watchedRun, type Stopping } from './abort-everywhere.js'
import { picoModel } from './pico-model.js'
import { bytesOfModel, everySecond, outputOf, relativeError, valuesOfParameter } from './trees.js'
import { useEngine } from './use-engine.js'

export interface ParametrizationSuite {
  /** The model it works on, made anew each time; `picoModel` where absent. */
  readonly model?: () => Model | Promise<Model>
  /** How far, relative to its size, the stored network may answer from the one in training: scales may be halves. 0.01 where absent. */
  readonly tolerance?: number
  /** Whether it takes fewer bytes than the plain weights; true where absent. */
  readonly smaller?: boolean
}

/** The promises that every parametrization keeps; call it first in its test. */
export const describeParametrization = (
  make: (options?: { readonly only: string }) => Parametrization & Made,
  { model = () => picoModel(), tolerance = 0.01, smaller = true }: ParametrizationSuite = {},
): void => {
  const options = (): TrainOptions => ({
    ...{ parametrize: make(), steps: 12, seed: 3, transform: adam({ learningRate: 0.02 }) },
    objective: (output, { target }) => tf.mean(tf.square(tf.sub(output, target))),
    data: (_step, rng) => {
      const input = tf.tensor2d(Float32Array.from({ length: 32 * 16 }, rng.normal), [32, 16])
      return { input, target: tf.slice(input, [0, 0], [-1, 8]) }
    },
  })
  const run = async (more: Partial<TrainOptions> = {}, given?: Model): Promise<Model> => train(given ?? (await model()), { ...options(), ...more }) // prettier-ignore

  describe(`${callText(make())} as a parametrization`, () => {
    useEngine()

    it('trains, and stores the network that it trained', async () => {
      const losses: number[] = []
      let trained = new Float32Array()
      const input = tf.tensor2d(Float32Array.from({ length: 4 * 16 }, (_, i) => Math.sin(i)), [4, 16]) // prettier-ignore
      const source = await model()
      const result = await run({
        onProgress: event => event.type === 'trained' && losses.push(event.loss),
        watch: {
          every: 12,
          measure: async weights => {
            const output = tf.tidy(() => source.stages.reduce<tf.Tensor>((x, stage) => stage.run(x, { weights }), input))
            trained = Float32Array.from(await output.data<'float32'>())
            output.dispose()
            return 0
          },
        },
      })
      expect(Math.min(...losses.slice(6))).toBeLessThan(losses[0])
      const plain = { ...result, stages: source.stages } // what is beside, such as grids of inputs, is no part of the weights
      expect(relativeError(trained, await outputOf(plain, input))).toBeLessThan(tolerance)
      input.dispose()
      const bytes = ({ params }: Model): number => params.names().reduce((sum, name) => sum + params.info(name).byteLength, 0)
      if (smaller) expect(bytes(result)).toBeLessThan(bytes(source))
    })

    it('keeps what a mask removed removed, or wraps all of it', async () => {
      const pruned = await compress(await model(), everySecond)
      const result = await run({ steps: 2 }, pruned)
      const [name] = sitesOf(result).map(({ weight }) => weight)
      if (make().rewrites === 'whole') expect((await outputOf(result, tf.zeros([1, 16]))).every(Number.isFinite)).toBe(true)
      else expect((await valuesOfParameter(result, name)).filter((value, i) => i % 2 === 0 && value !== 0)).toEqual([])
    })

    it('leaves what only does not name to be trained as it is stored', async () => {
      const [first, second] = sitesOf(await model())
      const result = await run({ steps: 1, parametrize: make({ only: second.name }) })
      const info = (each: Model, name: string) => [each.params.info(name).codec, each.params.info(name).dtype]
      expect(info(result, first.weight)).toEqual(info(await model(), first.weight))
    })

    it('gives the same bytes for the same seed, and leaves no tensor behind, whenever it is aborted', async () => {
      const source = await model()
      const short = (stopping: Partial<Stopping>) => run({ steps: 2, ...stopping }, source)
      const [first, again] = [await short({}), await watchedRun(short)]
      expect(await bytesOfModel(first)).toEqual(await bytesOfModel(again.result))
      await abortEverywhere(again, short)
      const tensor = decode(await (await run({ steps: 1 })).params.read(sitesOf(source)[0].weight))
      expect(tensor.shape).toEqual(source.params.info(sitesOf(source)[0].weight).shape)
      tensor.dispose()
    })
  })
}
