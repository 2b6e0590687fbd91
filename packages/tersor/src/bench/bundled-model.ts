import { dirname, join, resolve } from 'node:path'
import { stands } from '../kind-of.js'

/** A model with a text to measure it on and one to learn from. */
export interface BenchModel {
  readonly model: string
  readonly data?: readonly string[]
  readonly calibrate: readonly string[]
}

/** The model that comes with Tersor's repository, seen from a folder inside of it; undefined elsewhere. */
export const bundledModel = async (from: string): Promise<BenchModel | undefined> => {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const bundled = join(folder, 'examples/bundled-model')
    const [model, ...texts] = ['model', 'text/validation.txt', 'text/calibration.txt'].map(path => join(bundled, path))
    if (await stands(model)) return { model, data: [texts[0]], calibrate: [texts[1]] }
    if (dirname(folder) === folder) return undefined
  }
}
