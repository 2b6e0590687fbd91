/** What is written of a step before it does anything of its own: it runs, and its test says what it does. */
export interface Kind {
  /** What one of it looks at. */
  readonly about: string
  /** The packages of Tersor that source and test import. */
  readonly packages: readonly string[]
  /** Those that the test imports besides. */
  readonly testPackages: readonly string[]
  readonly source: (name: string) => string
  readonly test: (name: string) => string
}
