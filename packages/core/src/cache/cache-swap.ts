import type { Model } from '../model/model.js'
import { defineValue, type ValueDefinition } from '../step/define-method.js'
import type { OptionTable } from '../step/options.js'
import type { Caches } from './caches.js'

/** Where blocks are kept outside of an engine's memory: a file, or bytes of the host. */
export interface BlockFile {
  write(at: number, bytes: Uint8Array): Promise<void>
  read(at: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** What went to a file and came from it. */
export interface SwapTraffic {
  readonly writes: number
  readonly bytesWritten: number
  readonly reads: number
  readonly bytesRead: number
}

/** Caches of many texts outside of an engine's memory, by name. */
export interface CacheSwap {
  readonly traffic: SwapTraffic
  /** Writes what the file does not hold yet of the caches of a text, which stay the caller's; where it throws, what was written before is as it was. */
  out(name: string, ids: readonly number[], caches: Caches, signal?: AbortSignal): Promise<void>
  /** The caches of a text as they were written last; what is written stays, for the next time. Throws NOT_FOUND. */
  in(name: string, model: Pick<Model, 'stages'>): Promise<Caches>
  /** Frees the blocks of a text. */
  forget(name: string): void
  close(): Promise<void>
}

/** How caches are swapped. */
export interface SwapRule {
  readonly kind: 'swap'
  open(file: BlockFile): CacheSwap
}

/** Declares a rule of swapping: options once, checked when the factory is called; throws BAD_OPTION there. */
export const defineSwap = <const O extends OptionTable>(definition: ValueDefinition<O, SwapRule>) => defineValue('swap', definition)
