/** A folder that a test of files may fill. */
export interface TemporaryFolder {
  readonly fileAt: (name: string) => string
  readonly files: () => Promise<readonly string[]>
  readonly remove: () => Promise<void>
}

/** Node's files are loaded when a test asks for a folder, so that suites without files run in browsers too. */
export const temporaryFolder = async (prefix: string): Promise<TemporaryFolder> => {
  const [{ mkdtemp, readdir, rm }, { tmpdir }, { join }] = await Promise.all([
    import('node:fs/promises'),
    import('node:os'),
    import('node:path'),
  ])
  const path = await mkdtemp(join(tmpdir(), prefix))
  return { fileAt: name => join(path, name), files: () => readdir(path), remove: () => rm(path, { recursive: true, force: true }) }
}
