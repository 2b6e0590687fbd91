import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { join } from 'node:path'
import { shrink, switchedOff, type Change, type Model } from '@tersor/core'
import { casesTried } from '@tersor/testing'
import { openModel } from '../opening/open-model.js'
import { DATA, describeData } from '../shared-data.fixture.js'
import { largestGap, outputsOf, someIds } from './outputs.fixture.js'

beforeAll(() => tf.setBackend('ort'))

/** Three quarters of every coupling whose outputs a mask can give, backwards. */
const cut = ({ couplings = [] }: Model): Change => ({
  keep: new Map(
    couplings
      .filter(({ centred, exposed }) => !centred && !exposed)
      .map(({ name, units, perGroup = units, least = 1 }) => {
        const left = Math.max(least, Math.floor(0.75 * perGroup), 1)
        return [name, Array.from({ length: units }, (_, unit) => units - 1 - unit).filter(unit => unit % perGroup < left)] as const
      }),
  ),
})

const images = (size: number) => (): tf.Tensor =>
  tf.tidy(() => tf.mul(tf.add(tf.sin(tf.reshape(tf.range(0, 2 * size * size * 3), [2, size, size, 3])), 1), 120))

/** How far the small network is from the masked one, and this from the large one, against the largest output: Gemma normalises what little few heads leave, and with it its rounding. */
const check = async (path: string): Promise<readonly [apart: number, moved: number]> => {
  const model = await openModel(join(DATA, path))
  const inputs = model.family === 'image' ? images((model as { imageShape: readonly number[] }).imageShape[0]) : someIds
  const change = cut(model)
  const [small, masked, large] = [await outputsOf(await shrink<Model>(model, change), inputs), await outputsOf(switchedOff<Model>(model, change), inputs), await outputsOf(model, inputs)] // prettier-ignore
  await model.close?.()
  const most = masked.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0)
  return [largestGap(small, masked) / most, largestGap(masked, large) / most]
}

describeData('picomodels', 'checkpoints that are shrunk give what the large ones give with the same units switched off', () => {
  const NAMES = ['llama', 'mistral-sliding', 'mixtral', 'qwen2', 'gemma2', 'qwen3', 'gpt2', 'qwen3-moe', 'vit', 'phi3', 'bert']
  it.each(casesTried(NAMES, 2))('%s', async name => {
    const [apart, moved] = await check(`picomodels/${name}`)
    expect(apart).toBeLessThan(1e-5)
    expect(moved).toBeGreaterThan(1e-3)
  })
})

describeData('cifar10-resnet', 'a trained ResNet-20 likewise, channels and streams together', () => {
  it('resnet20', async () => {
    const [apart, moved] = await check('cifar10-resnet/resnet20.safetensors')
    expect(apart).toBeLessThan(1e-5)
    expect(moved).toBeGreaterThan(1e-3)
  })
})
