import { bytesText } from 'tersor/browser'
import { element, made, show } from './elements.js'
import type { Compressed, WrittenFile } from './messages.js'

/** What Chromium has beyond the types of TypeScript. */
interface Pickers {
  showSaveFilePicker?(options: { readonly suggestedName: string }): Promise<FileSystemFileHandle>
  showDirectoryPicker?(options: { readonly mode: 'readwrite' }): Promise<FileSystemDirectoryHandle>
}

const pickers = window as Pickers
let addresses: string[] = []

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** Streams a file to where the user wants it: nothing of it is held in memory. */
const stream = async (blob: Blob, handle: FileSystemFileHandle): Promise<void> =>
  blob.stream().pipeTo((await handle.createWritable()) as WritableStream<Uint8Array>)

const saveInto = async (folder: FileSystemDirectoryHandle, files: readonly WrittenFile[]): Promise<void> => {
  for (const { path, blob } of files) {
    const parts = path.split('/')
    let place = folder
    for (const part of parts.slice(0, -1)) place = await place.getDirectoryHandle(part, { create: true })
    await stream(blob, await place.getFileHandle(parts.at(-1)!, { create: true }))
  }
}

/** A button where the browser writes files itself: one file to a name, several into a folder. */
const offerSaving = ({ files }: Compressed): void => {
  const button = element<HTMLButtonElement>('save')
  const [only] = files.length === 1 ? files : []
  const picker = only ? pickers.showSaveFilePicker : pickers.showDirectoryPicker
  show('save', picker !== undefined)
  button.textContent = only ? 'Save as …' : 'Save all into a folder …'
  button.onclick = async () => {
    try {
      if (only) await stream(only.blob, await pickers.showSaveFilePicker!({ suggestedName: nameOf(only.path) }))
      else await saveInto(await pickers.showDirectoryPicker!({ mode: 'readwrite' }), files)
    } catch (error) {
      if ((error as Error).name !== 'AbortError') throw error // the user closed the dialog
    }
  }
}

const linkTo = ({ path, blob }: WrittenFile): HTMLLIElement => {
  const address = URL.createObjectURL(blob)
  addresses.push(address)
  const item = made('li')
  item.append(made('a', path, { href: address, download: nameOf(path) }), made('span', bytesText(blob.size)))
  return item
}

/** Shows a result: its size beside that of its source, and a link to each of its files. */
export const showResult = (result: Compressed): void => {
  const { before, after, seconds, notes, files } = result
  for (const address of addresses) URL.revokeObjectURL(address)
  addresses = []
  const times = (before / Math.max(1, after)).toFixed(1)
  element('sizes').textContent = `${bytesText(before)} → ${bytesText(after)}, ${times} times smaller, in ${seconds.toFixed(1)} s`
  element('notes').textContent = notes.join(' · ')
  element('downloads').replaceChildren(...files.map(linkTo))
  offerSaving(result)
  show('result', true)
}
