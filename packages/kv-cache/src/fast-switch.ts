import {
  boolean,
  defineSwap,
  integer,
  readCaches,
  storeCaches,
  type BlockFile,
  type Caches,
  type CacheSwap,
  type CachesFacts,
  type StoredCaches,
} from '@tersor/core'
import { CompressionError, type Parameter } from '@tersor/tensor'
import { blockSpace, runsOf, type BlockRun, type BlockSpace } from './blocks/block-space.js'
import { besideLanes, entriesOfLanes, lanesOf, type Lane, type LaneParts } from './blocks/lanes.js'

/** What is written of one text. */
interface Written {
  readonly ids: readonly number[]
  readonly changedAt: number
  readonly facts: CachesFacts
  readonly plan: Caches['plan']
  readonly beside: StoredCaches['parameters']
  readonly parts: LaneParts
  /** Of each lane, its entries and the blocks that hold them, in order. */
  readonly lanes: readonly { readonly entries: number; readonly size: number; readonly blocks: readonly number[] }[]
}

const commonLength = (a: readonly number[], b: readonly number[]): number => {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}

/** Blocks of each lane that hold what it holds now: whole ones before the first token that is another; none once entries were let go since. */
const validBlocks = (before: Written | undefined, ids: readonly number[], { state }: Caches, lanes: readonly Lane[], block: number) => {
  if (!before || before.changedAt !== state.changedAt || before.lanes.length !== lanes.length) return lanes.map((): number[] => [])
  const gone = before.ids.length - commonLength(before.ids, ids)
  return before.lanes.map(({ entries, blocks }) => blocks.slice(0, Math.max(0, Math.floor((entries - gone) / block))))
}

/** One block of a lane that is to be written. */
interface Fresh {
  readonly lane: number
  readonly bytes: Uint8Array
}

/** Blocks that are not written yet, lane by lane. */
const freshBlocks = (
  lanes: readonly Lane[],
  valid: readonly (readonly number[])[],
  block: number,
  bytesOfBlock: number,
): readonly Fresh[] =>
  lanes.flatMap(({ values, entries, size }, lane) => {
    const own = valid[lane].length
    return Array.from({ length: Math.ceil(entries / block) - own }, (_, i): Fresh => {
      const bytes = new Uint8Array(bytesOfBlock)
      const some = values.subarray(2 * size * block * (own + i), 2 * size * block * (own + i + 1))
      bytes.set(new Uint8Array(some.buffer, some.byteOffset, some.byteLength))
      return { lane, bytes }
    })
  })

const places = (runs: readonly BlockRun[]): readonly number[] =>
  runs.flatMap(({ from, count }) => Array.from({ length: count }, (_, i) => from + i))

const unknownText = (name: string): CompressionError =>
  new CompressionError('NOT_FOUND', `There is no text "${name}" among those written.`, 'Swap it out before it is read, under this name.', {
    name,
  })

/** Counts what goes to a file and comes from it; runs of blocks go at once, or one by one. */
const counted = (file: BlockFile, bytesOfBlock: () => number, grouped: boolean) => {
  const traffic = { writes: 0, bytesWritten: 0, reads: 0, bytesRead: 0 }
  const single = (runs: readonly BlockRun[]): readonly BlockRun[] => (grouped ? runs : places(runs).map(from => ({ from, count: 1 })))
  return {
    traffic,
    write: async (runs: readonly BlockRun[], blocks: readonly Uint8Array[], signal?: AbortSignal): Promise<void> => {
      const each = bytesOfBlock()
      let at = 0
      for (const { from, count } of single(runs)) {
        signal?.throwIfAborted()
        const bytes = new Uint8Array(count * each)
        for (let i = 0; i < count; i++) bytes.set(blocks[at++], i * each)
        await file.write(from * each, bytes)
        traffic.writes++
        traffic.bytesWritten += bytes.length
      }
    },
    read: async (blocks: readonly number[]): Promise<ReadonlyMap<number, Uint8Array>> => {
      const each = bytesOfBlock()
      const found = new Map<number, Uint8Array>()
      for (const { from, count } of single(runsOf([...blocks].sort((a, b) => a - b)))) {
        const bytes = await file.read(from * each, count * each)
        for (let i = 0; i < count; i++) found.set(from + i, bytes.subarray(i * each, (i + 1) * each))
        traffic.reads++
        traffic.bytesRead += bytes.length
      }
      return found
    },
  }
}

const lanesFrom = ({ lanes }: Written, found: ReadonlyMap<number, Uint8Array>, block: number): readonly Lane[] =>
  lanes.map(({ entries, size, blocks }) => {
    const values = new Float32Array(2 * size * block * blocks.length)
    const bytes = new Uint8Array(values.buffer)
    blocks.forEach((place, i) => bytes.set(found.get(place)!.subarray(0, 8 * size * block), i * 8 * size * block))
    return { entries, size, values: values.subarray(0, 2 * size * entries) }
  })

interface Rule {
  readonly block: number
  readonly grouped: boolean
  readonly reuse: boolean
}

/** Blocks hold exact entries: what an encoding made of others would stay in memory. */
const refuseEncoding = ({ plan }: Caches): void => {
  const encoding = plan.find(step => step.kind === 'encoding')
  if (!encoding) return
  throw new CompressionError('COMPOSITION', `fast-switch writes exact entries, and ${encoding.name} encodes them.`, 'Swap texts without an encoding, or keep their sessions in files.', { encoding: encoding.name }) // prettier-ignore
}

const swapOver = (file: BlockFile, space: BlockSpace, { block, grouped, reuse }: Rule): CacheSwap => {
  const texts = new Map<string, Written>()
  /** Set by the first text: of the widest heads. */
  let bytesOfBlock = 0
  const { traffic, write, read } = counted(file, () => bytesOfBlock, grouped)
  const blocksOf = (written: Written | undefined): readonly number[] => written?.lanes.flatMap(({ blocks }) => blocks) ?? []
  return {
    traffic,
    out: async (name, ids, caches, signal) => {
      refuseEncoding(caches)
      const stored = await storeCaches(caches)
      const { parts, lanes } = lanesOf(stored)
      bytesOfBlock ||= 8 * block * Math.max(...lanes.map(({ size }) => size))
      const before = texts.get(name)
      const valid = validBlocks(reuse ? before : undefined, ids, caches, lanes, block)
      const fresh = freshBlocks(lanes, valid, block, bytesOfBlock)
      const runs = space.take(fresh.length)
      const taken = places(runs)
      try {
        await write(runs, fresh.map(({ bytes }) => bytes), signal) // prettier-ignore
      } catch (error) {
        space.free(taken)
        throw error
      }
      const own: number[][] = valid.map(blocks => [...blocks])
      fresh.forEach(({ lane }, i) => own[lane].push(taken[i]))
      const kept = new Set(valid.flat())
      space.free(blocksOf(before).filter(place => !kept.has(place)))
      const { facts, parameters } = stored
      texts.set(name, {
        ...{ ids: [...ids], changedAt: caches.state.changedAt, facts, plan: caches.plan, beside: besideLanes(parameters), parts },
        lanes: lanes.map(({ entries, size }, i) => ({ entries, size, blocks: own[i] })),
      })
    },
    in: async (name, model) => {
      const written = texts.get(name)
      if (!written) throw unknownText(name)
      const entries = entriesOfLanes(written.parts, lanesFrom(written, await read(blocksOf(written)), block))
      const all: Readonly<Record<string, Parameter>> = { ...written.beside, ...entries }
      return readCaches(model, written.plan, written.facts, { read: async part => all[part], has: part => Object.hasOwn(all, part) })
    },
    forget: name => {
      space.free(blocksOf(texts.get(name)))
      texts.delete(name)
    },
    close: () => file.close(),
  }
}

/**
 * FastSwitch: the caches of many texts outside of an engine's memory, so that more are kept than fit in it. Entries stand in blocks of some tokens of a head;
 * what a swap writes are runs of blocks behind one another, in few large writes, and only those blocks that the file does not hold yet: whole ones of an
 * earlier turn stay where they are, and the last, partly filled one is written anew. Once entries were let go nothing of a text is taken for valid.
 * Throws BAD_OPTION; `out` throws DISK where blocks run out.
 * Shen et al. 2024, https://arxiv.org/abs/2411.18424
 */
export const fastSwitch = defineSwap({
  name: 'fast-switch',
  summary: 'keeps the caches of many texts in blocks outside of memory, and writes runs of those that are new',
  paper: {
    title: 'FastSwitch: Optimizing Context Switching Efficiency in Fairness-aware Large Language Model Serving',
    authors: 'Shen et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2411.18424',
  },
  differs: 'runs are found by best fit in a list of free ones; a swap is awaited, where the paper lets it overlap with computing',
  options: {
    block: integer({ min: 1, max: 4096, default: 16, doc: 'tokens of a head in one block' }),
    blocks: integer({ min: 1, default: 1_048_576, doc: 'how many the file may hold' }),
    grouped: boolean({ default: true, doc: 'whether neighbouring blocks are written and read at once, rather than one by one' }),
    reuse: boolean({ default: true, doc: 'whether blocks of earlier turns stay, rather than all be written anew' }),
  },
  make: ({ blocks, ...rule }) => ({ kind: 'swap', open: file => swapOver(file, blockSpace(blocks), rule) }),
})
