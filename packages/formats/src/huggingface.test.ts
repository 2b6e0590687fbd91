import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { failingFileSystem, failure, temporaryFolder } from './files/failing-file-system.fixture.js'
import { huggingFaceSink, openHuggingFace, type HuggingFaceSinkOptions } from './huggingface.js'
import { floats, gated, nested, scaled } from './files/toy-codec.fixture.js'

const codecs = [gated, scaled]
const config = { model_type: 'llama', hidden_size: 5, rope_scaling: { rope_type: 'linear', factor: 2 } }
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const files = { 'tokenizer.json': text('{"model":{}}'), 'generation_config.json': text('{"max_length": 20}') }
let root: string
let dir: string
beforeEach(async () => {
  root = await temporaryFolder()
  dir = `${root}/model`
})
afterEach(() => rm(root, { recursive: true, force: true }))

const save = async (options: Partial<HuggingFaceSinkOptions> = {}, tree = true) => {
  const sink = huggingFaceSink(dir, { config, files, ...options })
  await sink.write('x', floats([1, 2], [2]))
  if (tree) await sink.write('w', nested())
  await (await sink.finish()).close?.()
}

describe('a Hugging Face folder', () => {
  it('comes back as it was written', async () => {
    const provenance = [{ method: 'gptq', options: { bits: 4 }, seed: 1, version: '0.1.0' }]
    await save({ provenance })
    expect(readdirSync(root)).toEqual(['model'])
    expect(readdirSync(dir).sort()).toEqual([
      '.tersor.json',
      ...['config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json'],
    ])
    const folder = await openHuggingFace(`${dir}/`, { codecs })
    expect(folder.config).toEqual(config)
    expect(folder.generationConfig).toEqual({ max_length: 20 })
    expect(folder.provenance).toEqual(provenance)
    expect(Object.keys(folder.files).sort()).toEqual(['generation_config.json', 'tokenizer.json'])
    expect(Buffer.from(folder.files['tokenizer.json']).toString()).toBe('{"model":{}}')
    expect(await folder.params.read('w')).toEqual(nested())
    await folder.close()
  })

  it('tells other loaders to refuse trees, and leaves a dense model plain', async () => {
    await save()
    expect(JSON.parse(readFileSync(`${dir}/config.json`, 'utf8'))).toEqual({
      ...config,
      quantization_config: { quant_method: 'tersor', codecs: ['gated', 'scaled'] },
    })
    await save({ overwrite: true }, false)
    expect(JSON.parse(readFileSync(`${dir}/config.json`, 'utf8'))).toEqual(config)
    const { config: read, ...folder } = await openHuggingFace(dir)
    expect(read).toEqual(config)
    await folder.close()
  })

  it('gives the generation config, and refuses a quantization that is not read by its name', async () => {
    await save({ config }, false)
    const folder = await openHuggingFace(dir)
    expect(folder.generationConfig).toEqual({ max_length: 20 })
    await folder.close()
    await save({ config: { ...config, quantization_config: { quant_method: 'quanto' } }, overwrite: true }, false)
    await expect(openHuggingFace(dir)).rejects.toThrow('The folder is quantized by "quanto", which is not read here.\nRead are gptq, awq')
  })

  it('shards large models', async () => {
    await save({ maxShardBytes: 8 })
    expect(readdirSync(dir)).toContain('model.safetensors.index.json')
    const folder = await openHuggingFace(dir, { codecs })
    expect(folder.params.names()).toEqual(['x', 'w'])
    await folder.close()
  })

  it('replaces an existing folder only when told, and only at the end', async () => {
    await save()
    expect(await failure(() => save())).toMatch(
      /^OUTPUT_EXISTS: .*model exists\.\nChoose another path, or pass overwrite: true to replace it\.$/,
    )
    const sink = huggingFaceSink(dir, { config, overwrite: true })
    await sink.write('x', floats([3], [1]))
    expect(existsSync(`${dir}/tokenizer.json`)).toBe(true)
    await (await sink.finish()).close?.()
    expect(readdirSync(dir).sort()).toEqual(['.tersor.json', 'config.json', 'model.safetensors'])
    expect(readdirSync(root)).toEqual(['model'])
  })

  it('puts the old folder back where the swap fails', async () => {
    await save()
    // Renames: the weights into place, the old folder away, the new one in.
    const error = await failure(() => save({ overwrite: true, config: {}, fileSystem: failingFileSystem({ failingRename: 2 }) }))
    expect(error).toMatch(/^DISK: .*EIO/)
    expect(readdirSync(root)).toEqual(['model'])
    const folder = await openHuggingFace(dir, { codecs })
    expect(folder.config).toEqual(config)
    await folder.close()
  })

  it.each([0, 20, 300, 900])('leaves nothing behind on a disk that is full after %i bytes', async capacity => {
    expect(await failure(() => save({ fileSystem: failingFileSystem({ capacity }) }))).toMatch(
      /^DISK: .*ENOSPC.*\nFree some space on the disk/,
    )
    expect(readdirSync(root)).toEqual([])
  })

  it('leaves nothing behind on a read-only disk and on abort', async () => {
    expect(await failure(() => save({ fileSystem: failingFileSystem({ readOnly: true }) }))).toMatch(
      /^DISK: .*EROFS.*\nThe disk is read-only/,
    )
    const sink = huggingFaceSink(dir, { config })
    await sink.write('x', floats([3], [1]))
    await sink.abort()
    await sink.abort()
    expect(readdirSync(root)).toEqual([])
  })

  it('says what a folder has instead of config or weights', async () => {
    expect(await failure(() => openHuggingFace(dir))).toMatch(/^NOT_FOUND: There is nothing at .*model\.\nCheck the path\.$/)
    writeFileSync(`${root}/README.md`, '')
    expect(await failure(() => openHuggingFace(root))).toMatch(
      /^NOT_FOUND: .* has no config\.json; it has README\.md\.\nPass the folder that holds config\.json/,
    )
    writeFileSync(`${root}/config.json`, '{}')
    writeFileSync(`${root}/pytorch_model.bin`, '')
    expect(await failure(() => openHuggingFace(root))).toMatch(
      /^NOT_FOUND: .* has no model\.safetensors; it has README\.md, config\.json, pytorch_model\.bin\.\nSave the model as safetensors first\.$/,
    )
  })

  it('refuses a config that is no object, too deep or too large', async () => {
    await save()
    const open = () => failure(() => openHuggingFace(dir, { codecs }))
    writeFileSync(`${dir}/config.json`, '[]')
    expect(await open()).toMatch(/^BAD_FILE: .*config\.json is not an object\.\n/)
    writeFileSync(`${dir}/config.json`, '['.repeat(40))
    expect(await open()).toMatch(/^BAD_FILE: .*config\.json nests deeper than 32 levels\.\n/)
    truncateSync(`${dir}/config.json`, (64 << 20) + 1)
    expect(await open()).toMatch(
      /^BAD_FILE: .*config\.json has 67108865 bytes; at most 67108864 are read\.\nCheck that it is the right file\.$/,
    )
  })

  it('refuses a side file that is too large before it reads it', async () => {
    await save()
    truncateSync(`${dir}/tokenizer.json`, (256 << 20) + 1)
    expect(await failure(() => openHuggingFace(dir, { codecs }))).toMatch(
      /^BAD_FILE: .*tokenizer\.json has 268435457 bytes; at most 268435456 are read\./,
    )
  })

  it('refuses side files that are no plain names', async () => {
    expect(await failure(() => huggingFaceSink(dir, { config, files: { '../x': text('') } }))).toBe(
      'BAD_OPTION: "../x" is no side file.\nPass plain names of files other than config and weights.',
    )
  })
})
