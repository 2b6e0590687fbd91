import * as tf from '@tensorflow/tfjs-core'
import { compress, decode, pipeline, type Method, type Model, type ProgressEvent } from '@tersor/core'
import { byteLength, encoded, fromIntegers, sizeOf, type Codec, type Parameter } from '@tersor/tensor'
import { picoBatches, picoModel } from './pico-model.js'
import { useEngine } from './use-engine.js'

export interface MethodSuite {
  /** The method at an option that changes nothing, such as sparsity 0 or full rank; its output must equal the input. */
  readonly neutral?: () => Method
  /** How far the neutral result may be off, relative to 1 + |w|; 2e-3 where absent. */
  readonly tolerance?: number
  /** Whether the result takes fewer bytes as it stands; masks do so only once packed. */
  readonly smaller?: boolean
  /** A step that must run before, for methods that repair what another did. */
  readonly after?: () => Method
}

const FIRST = 'layers.0.weight'
const SECOND = 'layers.1.weight'

/** Every byte of a tree in order. */
const bytesOfTree = (parameter: Parameter): number[] =>
  parameter.kind === 'dense'
    ? [...parameter.bytes]
    : Object.entries(parameter.parts).flatMap(([name, part]) => [...name].map(c => c.charCodeAt(0)).concat(bytesOfTree(part)))

const valuesOf = async (model: Model, name: string): Promise<Float32Array> => {
  const tensor = decode(await model.params.read(name))
  const values = await tensor.data<'float32'>()
  tensor.dispose()
  return Float32Array.from(values)
}

const halfMasked: Codec = {
  name: 'masked',
  payload: ['values'],
  aligned: true,
  decode: ({ mask, values }) => tf.mul(tf.cast(mask, 'float32'), values),
}

/** A step that removes every second weight, to stand before or after the method. */
const everySecond: Method = {
  kind: 'method',
  name: 'every-second',
  apply: (_weight, { current }) => {
    const mask = Uint8Array.from({ length: sizeOf(current.shape) }, (_, i) => i % 2)
    return encoded(halfMasked, current.shape, { mask: fromIntegers(mask, 'u1', current.shape), values: current })
  },
}

/** The promises that every method keeps; call it first in the method's test. */
export const describeMethod = (make: () => Method, { neutral, tolerance = 2e-3, smaller = true, after }: MethodSuite = {}): void => {
  const steps = (...last: Method[]) => pipeline(...(after ? [after()] : []), ...last)
  const run = (model: Model, step = steps(make()), extra: { signal?: AbortSignal; onProgress?: (event: ProgressEvent) => void } = {}) =>
    compress(model, step, { calibration: batches, seed: 3, ...extra })
  let batches: tf.Tensor2D[] = []

  describe(`${make().name} as a method`, () => {
    useEngine()
    beforeAll(() => void (batches = picoBatches()))
    afterAll(() => tf.dispose(batches))

    it('gives the same bytes for the same seed', async () => {
      const [a, b] = [await run(picoModel()), await run(picoModel())]
      for (const name of [FIRST, SECOND]) expect(bytesOfTree(await a.params.read(name))).toEqual(bytesOfTree(await b.params.read(name)))
    })

    it('leaves other sites unmoved', async () => {
      const chosen: Method = { ...make(), only: 'layers.1' }
      const result = await run(picoModel(), steps(chosen))
      const expected = after ? await run(picoModel(), pipeline(after())) : picoModel()
      expect(bytesOfTree(await result.params.read(FIRST))).toEqual(bytesOfTree(await expected.params.read(FIRST)))
    })

    it('decodes to the shape of the weight, finite and smaller', async () => {
      const source = picoModel()
      const result = await run(source)
      for (const name of [FIRST, SECOND]) {
        const parameter = await result.params.read(name)
        expect(parameter.shape).toEqual(source.params.info(name).shape)
        const values = await valuesOf(result, name)
        expect(values.every(Number.isFinite)).toBe(true)
        if (smaller) expect(byteLength(parameter)).toBeLessThan(source.params.info(name).byteLength)
      }
    })

    if (neutral) {
      it('changes nothing at its neutral option', async () => {
        const source = picoModel()
        const result = await run(source, steps(neutral()))
        for (const name of [FIRST, SECOND]) {
          const [before, now] = [await valuesOf(source, name), await valuesOf(result, name)]
          now.forEach((value, i) => expect(Math.abs(value - before[i])).toBeLessThan(tolerance * (1 + Math.abs(before[i]))))
        }
      })
    }

    it('leaves no tensor behind, whenever it is aborted', async () => {
      const source = picoModel()
      const before = tf.memory().numTensors
      let events = 0
      await run(source, steps(make()), { onProgress: () => events++ })
      expect(tf.memory().numTensors).toBe(before)
      for (let stop = 1; stop <= events; stop++) {
        const controller = new AbortController()
        let seen = 0
        const onProgress = () => void (++seen === stop && controller.abort(new Error('stopped by the test')))
        await run(source, steps(make()), { signal: controller.signal, onProgress }).catch(error =>
          expect(String(error)).toContain('stopped by the test'),
        )
        expect(tf.memory().numTensors).toBe(before)
      }
    })

    it('leaves a usable weight where no input came by in calibration', async () => {
      if (!make().calibrate) return
      const silent = batches.map(batch => tf.zerosLike(batch))
      const warnings: string[] = []
      const onProgress = (event: ProgressEvent) => void (event.type === 'warning' && warnings.push(event.message))
      const source = picoModel()
      const result = await compress(source, steps(make()), { calibration: silent, seed: 3, onProgress })
      tf.dispose(silent)
      const [before, now] = [await valuesOf(source, FIRST), await valuesOf(result, FIRST)]
      const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value * value, 0)
      expect(sum(before.map((value, i) => value - now[i])) / sum(before)).toBeLessThan(0.5)
      expect(warnings).toContain('next to no input came by in calibration: compressed by its weights alone.')
    })

    it('keeps removed weights removed when it follows a mask', async () => {
      if (make().rewrites === 'whole') return
      const values = await valuesOf(await run(picoModel(), steps(everySecond, make())), FIRST)
      values.forEach((value, i) => i % 2 === 0 && expect(Math.abs(value)).toBe(0))
    })

    it('accepts bf16 weights and a row of zeros', async () => {
      const result = await run(picoModel({ dtype: 'bf16', edit: values => values.fill(0, 0, 16) }))
      expect((await valuesOf(result, FIRST)).every(Number.isFinite)).toBe(true)
    })

    it('tells NaN in a weight', async () => {
      const broken = picoModel({ edit: values => (values[5] = NaN) })
      await expect(run(broken)).rejects.toMatchObject({ code: 'NOT_FINITE', message: expect.stringContaining('layers.0.weight') })
    })
  })
}
