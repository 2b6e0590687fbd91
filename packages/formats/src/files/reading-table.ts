/** What becomes of something that a file may hold. */
export type Fate = 'read' | 'kept' | 'refused'

/** One thing that a source may hold: what it is, and in words how far its fate goes. */
export interface ReadingRow {
  readonly what: string
  readonly fate: Fate
  readonly how: string
}

/** What a reader makes of one source, made from the tables that it goes by; `npm run reading` writes docs/reading.md from all of them. */
export interface Reading {
  readonly source: string
  readonly rows: readonly ReadingRow[]
}
