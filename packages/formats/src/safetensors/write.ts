import { bytesOf, type Parameter } from '@tersor/tensor'
import type { FileSystem } from '../files/file-system.js'
import { MARK, MARK_VALUE } from '../files/mark.js'
import { writeTensors } from './join.js'
import { RECORD_KEY, recordToText } from './record.js'
import { isNamed, leavesOf, storageOf, treeToJson } from './tree.js'

/** Writes parameters that are in memory into a file of their own, which must not exist; `onBytes` sees all of it in order. */
export const writeParameters = (
  fs: FileSystem,
  path: string,
  parameters: ReadonlyMap<string, Parameter>,
  onBytes: (bytes: Uint8Array) => void,
): Promise<void> => {
  const all = [...parameters]
  const tensors = all
    .flatMap(([name, parameter]) => leavesOf(name, parameter))
    .map(([name, leaf]) => ({ name, ...storageOf(leaf), bytes: bytesOf(leaf.dtype, leaf.shape), read: leaf.read }))
  const trees = all
    .filter(([, parameter]) => parameter.kind === 'encoded' || !isNamed(parameter))
    .map(([name, parameter]) => [name, treeToJson(name, parameter)] as const)
  const record = recordToText({ trees: Object.fromEntries(trees), provenance: [] })
  return writeTensors(fs, path, tensors, { [MARK]: MARK_VALUE, [RECORD_KEY]: record }, onBytes)
}
