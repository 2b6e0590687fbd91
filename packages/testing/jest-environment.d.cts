import type { TestEnvironment } from 'jest-environment-node'

declare const TypedArrayEnvironment: typeof TestEnvironment
export = TypedArrayEnvironment
