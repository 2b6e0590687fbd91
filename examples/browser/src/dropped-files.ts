import { element } from './elements.js'
import type { DroppedFile } from './messages.js'

const fileOf = (entry: FileSystemFileEntry): Promise<File> => new Promise((resolve, reject) => entry.file(resolve, reject))

/** All entries of a folder: a reader gives them by the hundred, and none at the end. */
const entriesOf = async (folder: FileSystemDirectoryEntry): Promise<readonly FileSystemEntry[]> => {
  const reader = folder.createReader()
  const all: FileSystemEntry[] = []
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) return all
    all.push(...some)
  }
}

const filesIn = async (entry: FileSystemEntry): Promise<readonly DroppedFile[]> => {
  if (entry.isFile) return [{ path: entry.fullPath.slice(1), file: await fileOf(entry as FileSystemFileEntry) }]
  return (await Promise.all((await entriesOf(entry as FileSystemDirectoryEntry)).map(filesIn))).flat()
}

const chosenFiles = (list: FileList | null): readonly DroppedFile[] =>
  [...(list ?? [])].map(file => ({ path: file.webkitRelativePath || file.name, file }))

/** Calls back with the files that are dropped or chosen, those of folders with their paths. */
export const listenForFiles = (take: (files: readonly DroppedFile[]) => void): void => {
  const drop = element('drop')
  const mark = (over: boolean) => (event: DragEvent) => {
    event.preventDefault()
    drop.classList.toggle('over', over)
  }
  // the whole window: a file that misses the field would be opened in place of the page
  window.addEventListener('dragover', mark(true))
  window.addEventListener('dragleave', mark(false))
  window.addEventListener('drop', event => {
    mark(false)(event)
    const entries = [...(event.dataTransfer?.items ?? [])].flatMap(item => item.webkitGetAsEntry() ?? [])
    if (entries.length === 0) return take(chosenFiles(event.dataTransfer?.files ?? null)) // a browser without entries has no folders
    void Promise.all(entries.map(filesIn)).then(found => take(found.flat()))
  })
  for (const id of ['files', 'folder']) {
    const input = element<HTMLInputElement>(id)
    input.addEventListener('change', () => {
      take(chosenFiles(input.files))
      input.value = '' // the same file may be chosen again
    })
  }
}
