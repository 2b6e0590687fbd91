import type { Provenance } from '@tersor/core'
import { CompressionError, type Parameter, type ParameterSink } from '@tersor/tensor'
import { within, withoutSlash, writeFile } from '../file-system.js'
import { createOutput, type OutputOptions } from '../output.js'
import { openSafetensors, type SafetensorsStore } from '../safetensors/open.js'
import { safetensorsSink } from '../safetensors/sink.js'
import { codecsOf } from '../safetensors/tree.js'
import type { Json } from '../json-text.js'
import { withTersor } from './quantization-config.js'

type SideFiles = Readonly<Record<string, Uint8Array>>

export interface HuggingFaceSinkOptions extends OutputOptions {
  /** Asked for at the end where it is a function, as are the files. */
  readonly config: Json | (() => Json)
  /** Side files by name, as `openHuggingFace` gives them. */
  readonly files?: SideFiles | (() => SideFiles)
  /** The steps that made the parameters; asked for at the end where it is a function. */
  readonly provenance?: readonly Provenance[] | (() => readonly Provenance[])
  /** 5 GB where absent, the hub's habit. */
  readonly maxShardBytes?: number
}

const SHARD_BYTES = 5e9

const valueOf = <T extends object>(given: T | (() => T)): T => (typeof given === 'function' ? (given as () => T)() : given)

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
  const output = createOutput(dir, options)
  const content = within(output.folder, 'content')
  const codecs = new Map<string, ReturnType<typeof codecsOf>[number]>()
  const weights = safetensorsSink(within(content, 'model.safetensors'), {
    metadata: { format: 'pt' },
    provenance,
    maxShardBytes,
    fileSystem: output.fs,
  })
  const finish = async (): Promise<void> => {
    await (await weights.finish()).close()
    const text = JSON.stringify(withTersor(valueOf(config), [...codecs.keys()]), null, 2)
    await writeFile(output.fs, within(content, 'config.json'), new TextEncoder().encode(`${text}\n`))
    for (const [name, bytes] of Object.entries(valueOf(files))) await writeFile(output.fs, within(content, name), bytes)
    await output.publish([{ from: content, to: dir }])
  }
  /** Ends the weights first: they hold files open inside the folder. */
  const step = <T>(work: () => Promise<T>): Promise<T> =>
    output.step(() => work().catch((error: unknown) => weights.abort().then(() => Promise.reject(error))))
  return Object.freeze({
    write: (name: string, parameter: Parameter) => {
      for (const codec of codecsOf(parameter)) codecs.set(codec.name, codec)
      return step(() => weights.write(name, parameter))
    },
    finish: async () => {
      await step(finish)
      return openSafetensors(dir, { codecs: [...codecs.values()], fileSystem: output.fs })
    },
    abort: async () => {
      await weights.abort().catch(() => {})
      await output.abort()
    },
  })
}
