import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hashOnThread } from './hash-thread.js'
import { hashOfData, hashOfModel, whileHashed } from './source-hashes.js'

const sha256 = (...pieces: readonly (string | Uint8Array)[]): string =>
  pieces.reduce((hash, piece) => hash.update(piece), createHash('sha256')).digest('hex')

describe('hashes of what was read', () => {
  let folder: string
  const large = new Uint8Array(2 ** 24 + 1).map((_, i) => (i * 7919) % 251)
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tersor-hashes-'))
    await mkdir(join(folder, 'model'))
    await writeFile(join(folder, 'model/config.json'), '{}')
    await writeFile(join(folder, 'model/weights'), large)
    await writeFile(join(folder, 'model/README.md'), 'not of the model')
    await writeFile(join(folder, 'words.txt'), 'abc')
  })
  afterAll(() => rm(folder, { recursive: true }))

  it('a small file is what sha256sum says', async () => {
    expect(await hashOfData([join(folder, 'words.txt')])).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  it('a large folder, which is hashed on a thread, is its names and bytes in order', async () => {
    expect(await hashOfModel(join(folder, 'model'))).toBe(sha256('config.json\n', '{}', 'weights\n', large))
  })

  it('the hash of a model is there when the work on it ends', async () => {
    const told = await whileHashed(join(folder, 'model'), async hash => ['worked', await hash])
    expect(told).toEqual(['worked', sha256('config.json\n', '{}', 'weights\n', large)])
  })

  it('work that fails says so itself, and stops the hash', async () => {
    let hash: Promise<string> | undefined
    const work = (given: Promise<string>) => Promise.reject(((hash = given), new Error('The disk is full.')))
    await expect(whileHashed(join(folder, 'model'), work)).rejects.toThrow('The disk is full.')
    await expect(hash).rejects.toThrow(/stopped|aborted/)
  })

  it('a file that cannot be read is the error of whoever asks', async () => {
    await expect(hashOnThread([{ file: join(folder, 'absent') }])).rejects.toThrow(/ENOENT/)
    await expect(hashOfModel(join(folder, 'absent'))).rejects.toThrow(/There is nothing at/)
  })
})
