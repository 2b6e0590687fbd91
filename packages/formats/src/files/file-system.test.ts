import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeFolder, nodeFileSystem, type FileSystem } from './file-system.js'

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
