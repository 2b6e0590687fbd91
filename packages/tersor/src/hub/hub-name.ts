import { CompressionError } from '@tersor/tensor'

/** What a name on the hub says: `hf:org/name[@revision][/file]`, `hf:datasets/org/name…` for data sets. */
export interface HubName {
  readonly type: 'model' | 'dataset'
  /** "org/name", or the name alone of the oldest models. */
  readonly name: string
  /** A branch, a tag or a commit. */
  readonly revision: string
  /** A path inside; the whole model where absent. */
  readonly file?: string
}

/** Whether a text is a name on the hub rather than a path. */
export const isHubName = (text: string): boolean => text.startsWith('hf:')

const SEGMENT = '[A-Za-z0-9][\\w.-]*'
const NAME = new RegExp(`^hf:(datasets/)?(${SEGMENT}/${SEGMENT})(?:@([^/@]+))?(?:/(.+))?$`)

/** Reads a name; a revision with a slash in it is written with %2F. Throws BAD_OPTION. */
export const parseHubName = (text: string): HubName => {
  const [, datasets, name, revision = 'main', file] = NAME.exec(text) ?? []
  const isSafe = file === undefined || !file.split('/').some(part => part === '' || part === '.' || part === '..')
  if (name === undefined || !isSafe)
    throw new CompressionError(
      'BAD_OPTION',
      `${JSON.stringify(text)} is no name on the hub.`,
      'Write hf:org/name, hf:org/name@revision/file or hf:datasets/org/name/file.',
      { name: text },
    )
  return { type: datasets ? 'dataset' : 'model', name, revision: decodeURIComponent(revision), ...(file === undefined ? {} : { file }) }
}
