import { CompressionError } from '@tersor/tensor'
import { note, paint, type Terminal } from '../output.js'
import { listen } from '../serve/listen.js'
import { PAGE_FOLDER } from '../serve/page-files.js'
import { openServed } from '../serve/served-models.js'
import { serverApp } from '../serve/server-app.js'
import { startEngine } from '../with-model.js'

export interface ServeFlags {
  readonly port: number
  readonly host: string
}

const MOST_PORT = 65_535

/** `tersor serve [MODEL...]`: the page and the API, until Ctrl-C. Throws BAD_OPTION, IN_USE and what opening a model throws. */
export const serve = async (
  terminal: Terminal,
  paths: readonly string[],
  { port, host }: ServeFlags,
  signal: AbortSignal,
): Promise<void> => {
  if (port > MOST_PORT)
    throw new CompressionError('BAD_OPTION', `--port is ${port}.`, `Pass a port of at most ${MOST_PORT}, or 0 for any.`, { port })
  if (paths.length > 0) await startEngine(terminal)
  const models = await openServed(paths)
  try {
    const app = serverApp({ models, host, page: PAGE_FOLDER, signal })
    await listen(app, { port, host, signal }, address => {
      note(terminal, `${paint(terminal, address, 'bold')}  the page: compresses in the browser, and nothing leaves it`)
      for (const { id } of models.list) note(terminal, `${address}v1  answers as ${id}`)
      note(terminal, paint(terminal, 'Ctrl-C ends it.', 'dim'))
      if (terminal.json) terminal.out.write(`${JSON.stringify({ address, models: models.list.map(({ id }) => id) })}\n`)
    })
  } finally {
    await models.close()
  }
}
