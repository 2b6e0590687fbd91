declare const preset: {
  readonly testEnvironment: string
  readonly testTimeout: number
  readonly moduleFileExtensions: string[]
  readonly moduleNameMapper: Record<string, string>
  readonly transform: Record<string, string | [path: string, options: Record<string, unknown>]>
  readonly transformIgnorePatterns: string[]
}
export = preset
