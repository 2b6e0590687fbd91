import { execFile } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../workspace.js'

const PAGE = join(ROOT, 'examples/browser')
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
}
const SHARED = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

/** Builds the page as `npm run page` does. TERSOR_PAGE_BUILT=1 takes what stands there. */
export const buildPage = async (): Promise<void> => {
  if (process.env.TERSOR_PAGE_BUILT === '1') return
  const { NODE_ENV: _test, ...env } = process.env
  await promisify(execFile)(process.execPath, [join(ROOT, 'node_modules/vite/bin/vite.js'), 'build'], { cwd: PAGE, env })
}

/** Serves the built page on loopback as any host of files would; `shared` with the headers that give it shared memory. */
export const servePage = async ({ shared }: { readonly shared: boolean }): Promise<{ readonly address: string; close(): void }> => {
  const server: Server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://page').pathname)
    const file = join(PAGE, 'dist', path === '/' ? 'index.html' : path)
    readFile(file).then(
      bytes =>
        response
          .writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream', ...(shared ? SHARED : {}) })
          .end(bytes),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    address: `http://127.0.0.1:${port}/`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
