import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { readImages } from '@tersor/evaluation'
import type { OpenedModel } from '@tersor/models'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { readCalibration } from './calibration.js'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-calibration-images-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const model = { family: 'image', imageShape: [2, 4, 3] } as unknown as OpenedModel

it('crops and scales images to what the network takes, as evaluate does', async () => {
  for (const [name, width, height] of [
    ['a', 8, 6],
    ['b', 5, 9],
  ] as const)
    // prettier-ignore
    await sharp({ create: { width, height, channels: 3, background: name === 'a' ? '#ff8000' : '#0080ff' } }).png().toFile(join(folder, `${name}.png`))
  const { batches } = await readCalibration(model, [folder], '')
  const expected = (await readImages(folder, { size: [2, 4] })).batch(0, 2)
  expect(batches.map(({ shape }) => shape)).toEqual([[2, 2, 4, 3]])
  expect([...(await batches[0].data())]).toEqual([...(await expected.data())])
  tf.dispose([...batches, expected])
})

it('does so with images that stand in one file', async () => {
  await writeFile(join(folder, 'set.json'), JSON.stringify({ images: { shape: [1, 2, 6, 3] }, classes: ['x'] }))
  await writeFile(join(folder, 'set.images.u8'), new Uint8Array(36).fill(7))
  await writeFile(join(folder, 'set.labels.u8'), Uint8Array.of(0))
  const { batches } = await readCalibration(model, [join(folder, 'set.json')], '')
  expect([batches[0].shape, [...(await batches[0].data())]]).toEqual([[1, 2, 4, 3], Array(24).fill(7)])
  tf.dispose(batches)
})
