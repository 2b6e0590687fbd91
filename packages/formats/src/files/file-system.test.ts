import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeFolder, nodeFileSystem, syncedAlong, type FileSystem, type OpenFile } from './file-system.js'

it('makes a folder and those above it, and accepts one that is there', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'tersor-folder-'))
  await makeFolder(nodeFileSystem(), join(dir, 'a/b/c'))
  await makeFolder(nodeFileSystem(), join(dir, 'a/b/c'))
  expect((await stat(join(dir, 'a/b/c'))).isDirectory()).toBe(true)
  await rm(dir, { recursive: true })
})

it('ends where a folder that exists says it is not there, as those of /proc do', async () => {
  const calls: string[] = []
  const mkdir = (path: string) => {
    calls.push(path)
    return Promise.reject(Object.assign(new Error(path), { code: path === '/proc' || path === '/' ? 'EEXIST' : 'ENOENT' }))
  }
  await expect(makeFolder({ mkdir } as unknown as FileSystem, '/proc/never')).rejects.toMatchObject({ code: 'ENOENT' })
  expect(calls).toEqual(['/proc/never', '/proc', '/proc/never'])
})

describe('a file that goes to the disk along the way', () => {
  const SYNC_AFTER = 64 << 20
  const recorded = (sync: () => Promise<void>) => {
    const calls: string[] = []
    const write = (_: Uint8Array, offset: number, length: number) => Promise.resolve({ bytesWritten: length - offset })
    const told = (name: string, done: () => Promise<void>) => () => (calls.push(name), done())
    const file = { write, sync: told('sync', sync), close: told('close', () => Promise.resolve()) } as unknown as OpenFile
    return { calls, file: syncedAlong(file) }
  }
  const none = new Uint8Array()

  it('asks the disk after 64 MiB and at the end', async () => {
    const { calls, file } = recorded(() => Promise.resolve())
    for (let i = 0; i < 5; i++) await file.write(none, 0, SYNC_AFTER / 2, 0)
    await file.sync!()
    await file.close()
    expect(calls).toEqual(['sync', 'sync', 'sync', 'close'])
  })

  it('tells at the end what the disk said, and closes all the same', async () => {
    const { calls, file } = recorded(() => Promise.reject(new Error('The disk is gone.')))
    await file.write(none, 0, SYNC_AFTER, 0)
    await expect(file.sync!()).rejects.toThrow('The disk is gone.')
    await file.close()
    expect(calls).toEqual(['sync', 'sync', 'close'])
  })
})
