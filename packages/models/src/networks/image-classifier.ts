import type { Model } from '@tersor/core'
import type { RawConfig } from './raw-config.js'

/** A network from images (batch, height, width, 3) of 0 … 255 to logits (batch, classes). */
export interface ImageClassifier<Config = unknown> extends Model {
  readonly family: 'image'
  /** Such as "resnet20". */
  readonly architecture: string
  readonly config: Config
  readonly rawConfig: RawConfig
  /** What was settled while it was opened, and tensors that nothing claims, a sentence each. */
  readonly notes?: readonly string[]
  /** The name in the file of a parameter that the network calls otherwise; absent where all names are the network's. */
  readonly storedName?: (name: string) => string
  readonly classes: readonly string[]
  /** Height, width and channels of an image. */
  readonly imageShape: readonly [number, number, number]
  /** Releases the files that the parameters are read from. */
  close?(): Promise<void>
}
