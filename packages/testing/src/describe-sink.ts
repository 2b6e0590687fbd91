import { fromFloat32, type Parameter, type ParameterSink, type ParameterStore } from '@tersor/tensor'
import { temporaryFolder, type TemporaryFolder } from './temporary-folder.js'
import { valuesOfTree } from './trees.js'
import { useEngine } from './use-engine.js'

export interface SinkPlace {
  /** Whether what stands there is replaced. */
  readonly overwrite?: boolean
  /** How many bytes its disk takes. */
  readonly capacity?: number
}

export interface SinkSuite {
  /** A sink at a path in an empty folder. */
  readonly make: (path: string, place: SinkPlace) => ParameterSink | Promise<ParameterSink>
  /** Opens what was finished there. */
  readonly open: (path: string) => Promise<ParameterStore>
  /** What is written, by names that the format takes; two matrices and a vector of floats where absent. */
  readonly parameters?: Readonly<Record<string, Parameter>>
  /** How the path ends, such as ".gguf"; a folder where absent. */
  readonly ends?: string
}

const matrix = (rows: number, columns: number, from: number): Parameter =>
  fromFloat32(
    Float32Array.from({ length: rows * columns }, (_, i) => from + i / 8),
    'f32',
    [rows, columns],
  )
const SMALL: Readonly<Record<string, Parameter>> = { a: matrix(4, 8, -1), b: matrix(2, 8, 3), c: fromFloat32([1, -2], 'f32', [2]) }
/** Far more bytes than the suite writes. */
const ENOUGH = 2 ** 20

/** The promises of every sink that writes files; call it once a format. */
export const describeSink = (name: string, { make, open, parameters = SMALL, ends = '' }: SinkSuite): void => {
  const names = Object.keys(parameters)

  describe(`${name} as a sink`, () => {
    useEngine()
    let folder: TemporaryFolder
    let path = ''
    beforeEach(async () => {
      folder = await temporaryFolder('tersor-sink-')
      path = folder.fileAt(`out${ends}`)
    })
    afterEach(() => folder.remove())

    const write = async (sink: ParameterSink, chosen: readonly string[] = names): Promise<void> => {
      for (const each of chosen) await sink.write(each, parameters[each])
    }
    const finished = async (place: SinkPlace = {}): Promise<ParameterStore> => {
      const sink = await make(path, place)
      await write(sink)
      return sink.finish()
    }
    const valuesIn = async (store: ParameterStore): Promise<Readonly<Record<string, readonly number[]>>> => {
      const entries: [string, readonly number[]][] = []
      for (const each of names) entries.push([each, await valuesOfTree(await store.read(each))])
      await store.close?.()
      return Object.fromEntries(entries)
    }
    const expected = async (): Promise<Readonly<Record<string, readonly number[]>>> =>
      Object.fromEntries(await Promise.all(names.map(async each => [each, await valuesOfTree(parameters[each])] as const)))

    it('gives back what was written, when it is finished and when it is opened', async () => {
      const store = await finished()
      expect(store.names()).toEqual(expect.arrayContaining(names))
      expect(await valuesIn(store)).toEqual(await expected())
      expect(await valuesIn(await open(path))).toEqual(await expected())
    })

    it('takes writes that overlap in time', async () => {
      const sink = await make(path, {})
      await Promise.all(names.map(each => sink.write(each, parameters[each])))
      expect(await valuesIn(await sink.finish())).toEqual(await expected())
    })

    it('refuses a name twice, and leaves nothing behind', async () => {
      const sink = await make(path, {})
      await write(sink)
      const twice = async (): Promise<unknown> => {
        await sink.write(names[0], parameters[names[0]])
        return sink.finish()
      }
      await expect(twice()).rejects.toMatchObject({ code: 'BAD_DATA', message: expect.stringContaining('is taken already') })
      await sink.abort()
      expect(await folder.files()).toEqual([])
    })

    it('leaves alone what stands at its place, unless it is told to replace it', async () => {
      await (await finished()).close?.()
      const files = await folder.files()
      await expect(finished()).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' })
      expect(await valuesIn(await open(path))).toEqual(await expected())
      expect(await valuesIn(await finished({ overwrite: true }))).toEqual(await expected())
      expect(await folder.files()).toEqual(files)
    })

    it('leaves nothing behind, whenever it is aborted', async () => {
      for (let written = 0; written <= names.length; written++) {
        const sink = await make(path, {})
        await write(sink, names.slice(0, written))
        await sink.abort()
        expect([written, await folder.files()]).toEqual([written, []])
        await expect(write(sink, names.slice(0, 1)).then(() => sink.finish())).rejects.toThrow('is finished or was aborted')
        await sink.abort()
        expect([written, await folder.files()]).toEqual([written, []])
      }
    })

    it('says that the disk is full and leaves nothing behind, wherever it fills up', async () => {
      const full: number[] = []
      for (let capacity = 0; capacity < ENOUGH; capacity = Math.max(16, Math.floor(capacity * 1.5))) {
        const outcome = await finished({ capacity }).then(
          store => store,
          (error: { readonly code?: string }) => error.code ?? String(error),
        )
        if (typeof outcome === 'object') {
          await outcome.close?.()
          break
        }
        expect([capacity, outcome]).toEqual([capacity, 'DISK'])
        expect([capacity, await folder.files()]).toEqual([capacity, []])
        full.push(capacity)
      }
      expect(full.length).toBeGreaterThan(2)
      expect((await folder.files()).filter(file => file.includes('.partial'))).toEqual([])
    })
  })
}
