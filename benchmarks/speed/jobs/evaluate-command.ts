import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { readDocuments, windowsOf } from '@tersor/evaluation'
import { openModel } from '@tersor/models'
import type { Run, Settings } from '../serve.js'

const ROOT = new URL('../../../', import.meta.url)
const pathOf = (name: string): string => fileURLToPath(new URL(name, ROOT))

/** `tersor evaluate` of the bundled model as a user calls it, from starting Node on; the windows of the text are left for the peer. */
export const prepare = async ({ windows }: Settings): Promise<Run> => {
  const [path, text] = [pathOf('examples/bundled-model/model'), pathOf('examples/bundled-model/text/validation.txt')]
  const model = await openModel(path)
  if (model.family !== 'language' || !model.tokenizer) throw new Error('The bundled model is no language model.')
  await writeFile(
    String(windows),
    JSON.stringify(windowsOf(await readDocuments(text), model.tokenizer, model.contextLength).map(ids => [...ids])),
  )
  await model.close?.()
  return () =>
    new Promise<void>((resolve, reject) => {
      const child = spawn(
        process.execPath,
        [pathOf('packages/tersor/bin/tersor.js'), 'evaluate', path, '--data', text, '--json', '--quiet'],
        {
          stdio: ['ignore', 'ignore', 'inherit'],
        },
      )
      child.on('exit', code =>
        code === 0 ? resolve() : reject(new Error(`tersor evaluate ended with ${code}; build it with \`npm run build\`.`)),
      )
    })
}
