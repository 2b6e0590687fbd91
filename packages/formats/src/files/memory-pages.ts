/** Bytes of a page: writers hand over pieces of 2 MiB and less. */
const PAGE_BYTES = 1 << 20

/** Bytes that grow wherever they are written; what lies between is zeros, as in a file. */
export interface MemoryPages {
  readonly size: number
  write(bytes: Uint8Array, position: number): void
  /** Fills the room with what is there; gives how much that is. */
  read(room: Uint8Array, position: number): number
  /** All of them, in order, without a copy. */
  pieces(): readonly Uint8Array<ArrayBuffer>[]
}

/** Memory that grows by pages, so that nothing is copied when it does. */
export const memoryPages = (): MemoryPages => {
  const pages: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  /** Calls back with the stretch of each page that a range touches, and where in the range it begins. */
  const eachStretch = (position: number, length: number, visit: (stretch: Uint8Array, at: number) => void): void => {
    for (let at = 0; at < length;) {
      const inPage = (position + at) % PAGE_BYTES
      const count = Math.min(PAGE_BYTES - inPage, length - at)
      visit(pages[Math.floor((position + at) / PAGE_BYTES)].subarray(inPage, inPage + count), at)
      at += count
    }
  }
  return {
    get size() {
      return size
    },
    write: (bytes, position) => {
      const end = position + bytes.byteLength
      while (pages.length * PAGE_BYTES < end) pages.push(new Uint8Array(PAGE_BYTES))
      eachStretch(position, bytes.byteLength, (stretch, at) => stretch.set(bytes.subarray(at, at + stretch.byteLength)))
      size = Math.max(size, end)
    },
    read: (room, position) => {
      const length = Math.max(0, Math.min(room.byteLength, size - position))
      eachStretch(position, length, (stretch, at) => room.set(stretch, at))
      return length
    },
    pieces: () => pages.map((page, i) => page.subarray(0, Math.min(PAGE_BYTES, size - i * PAGE_BYTES))),
  }
}
