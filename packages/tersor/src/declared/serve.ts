import type { ServeFlags } from '../commands/serve.js'
import type { Declaring } from './comparisons.js'

/** Where nobody else listens by habit. */
const PORT = 8377

/** `serve`. */
export const declareServe = ({ program, run, withGlobals, wholeNumber, model }: Declaring): void => {
  withGlobals(program.command('serve'))
    .description('serves the page that compresses in the browser, and local models that answer as the OpenAI API does')
    .argument('[models...]', `to chat with, the original first; each ${model}`)
    .option('--port <n>', 'where it listens; 0 for any port that is free', wholeNumber, PORT)
    .option('--host <address>', 'for whom; this computer alone where absent', '127.0.0.1')
    .action((paths: string[], flags: ServeFlags & Record<string, unknown>) =>
      run(async (terminal, signal) => (await import('../commands/serve.js')).serve(terminal, paths, flags, signal), flags),
    )
}
