/** Serves a site that was built on loopback: `node site/serve.mjs [port]`. */
import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png', '.json': 'application/json', '.woff2': 'font/woff2', '.txt': 'text/plain', '.md': 'text/plain' } // prettier-ignore

/** Gives where it listens, and a way to end it. */
export const serve = (folder, port = 0) =>
  new Promise(done => {
    const server = createServer((request, response) => {
      const path = normalize(decodeURI(new URL(request.url, 'http://localhost').pathname))
      const found = [path, `${path}.html`, join(path, 'index.html')].map(each => join(folder, each)).find(each => existsSync(each) && statSync(each).isFile()) // prettier-ignore
      if (!found) return void response.writeHead(404).end('There is no such page.')
      response.writeHead(200, { 'Content-Type': `${TYPES[extname(found)] ?? 'application/octet-stream'}; charset=utf-8` })
      createReadStream(found).pipe(response)
    })
    server.listen(port, '127.0.0.1', () => done({ url: `http://127.0.0.1:${server.address().port}/`, close: () => (server.closeAllConnections(), server.close()) })) // prettier-ignore
  })

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log((await serve(join(import.meta.dirname, 'dist'), Number(process.argv[2] ?? 8080))).url)
