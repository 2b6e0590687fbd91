import { readFile } from 'node:fs/promises'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the build puts the page of examples/browser, as seen from sources and from what is built. */
export const PAGE_FOLDER = fileURLToPath(new URL('../../page', import.meta.url))

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.wasm': 'application/wasm',
  '.png': 'image/png',
}

/** Shared memory, which threads need, is given only to pages that keep others out. */
const SHARED = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

const MISSING = 'The page is not built.\nRun `npm run build` in the repository of Tersor; the package on npm has it.\n'

/** A file of the page; the page itself is told that a server stands behind it. A name outside of the folder is no file of it. */
export const pageFile = async (folder: string, path: string): Promise<Response> => {
  const name = normalize(path === '/' ? '/index.html' : path)
  const bytes = await readFile(join(folder, name)).catch(() => undefined)
  if (bytes === undefined) return new Response(path === '/' ? MISSING : 'There is no such file.\n', { status: 404 })
  const body = name === '/index.html' ? bytes.toString('utf8').replace('<html', '<html data-server') : new Uint8Array(bytes)
  return new Response(body, { headers: { 'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream', ...SHARED } })
}
