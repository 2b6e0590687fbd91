import { imagesPerBatch } from './images-per-batch.js'

it('takes fewer images at once the larger they are, and one at least', () => {
  expect([
    imagesPerBatch(32, 32),
    imagesPerBatch(512, 512),
    imagesPerBatch(1024, 1024),
    imagesPerBatch(4096, 4096),
    imagesPerBatch(9000, 9000),
  ]).toEqual([64, 64, 16, 1, 1])
})
