import { CompressionError, type Codec, type ParameterSink } from '@tersor/tensor'
import { within, withoutSlash, writeFile } from '../files/file-system.js'
import { fileSink, valueOf, type SinkOptions } from '../files/output.js'
import { openSafetensors, type SafetensorsStore } from '../safetensors/open.js'
import { safetensorsSink } from '../safetensors/sink.js'
import { codecsOf } from '../safetensors/tree.js'
import type { Json } from '../files/json-text.js'
import { withTersor } from './quantization-config.js'

type SideFiles = Readonly<Record<string, Uint8Array>>

export interface HuggingFaceSinkOptions extends SinkOptions {
  /** Asked for at the end where it is a function, as are the files. */
  readonly config: Json | (() => Json)
  /** Side files by name, as `openHuggingFace` gives them. */
  readonly files?: SideFiles | (() => SideFiles)
  /** 5 GB where absent, the hub's habit. */
  readonly maxShardBytes?: number
}

const SHARD_BYTES = 5e9

const checkFileNames = (names: readonly string[]): void => {
  for (const name of names)
    if (/[/\\]|^\.{0,2}$/.test(name) || name === 'config.json' || name.includes('.safetensors'))
      throw new CompressionError('BAD_OPTION', `"${name}" is no side file.`, 'Pass plain names of files other than config and weights.', {
        name,
      })
}

/**
 * Streams a model into a Hugging Face folder, which appears whole at the end or not at all.
 * Folders with trees say so in config.json, so that other loaders refuse them.
 * Throws BAD_OPTION (the name of a side file); steps throw OUTPUT_EXISTS, DISK and BAD_DATA.
 */
export const huggingFaceSink = (path: string, options: HuggingFaceSinkOptions): ParameterSink & { finish(): Promise<SafetensorsStore> } => {
  const dir = withoutSlash(path)
  const { config, files = {}, provenance = [], maxShardBytes = SHARD_BYTES } = options
  if (typeof files !== 'function') checkFileNames(Object.keys(files))
  return fileSink(dir, options, ({ fs, folder }) => {
    const content = within(folder, 'content')
    const codecs = new Map<string, Codec>()
    const metadata = { format: 'pt' }
    const weights = safetensorsSink(within(content, 'model.safetensors'), { metadata, provenance, maxShardBytes, fileSystem: fs })
    return {
      write: (name, parameter) => {
        for (const codec of codecsOf(parameter)) codecs.set(codec.name, codec)
        return weights.write(name, parameter)
      },
      copy: (name, outline) => {
        for (const codec of codecsOf(outline)) codecs.set(codec.name, codec)
        return weights.copy!(name, outline)
      },
      finish: async () => {
        await (await weights.finish()).close()
        const text = JSON.stringify(withTersor(valueOf(config), [...codecs.keys()]), null, 2)
        await writeFile(fs, within(content, 'config.json'), new TextEncoder().encode(`${text}\n`))
        for (const [name, bytes] of Object.entries(valueOf(files))) await writeFile(fs, within(content, name), bytes)
        return { moves: [{ from: content, to: dir }] }
      },
      close: () => weights.abort(), // they hold files open inside the folder
      reopen: () => openSafetensors(dir, { codecs: [...codecs.values()], fileSystem: fs }),
    }
  })
}
