import type { RepeatFlags } from '../commands/repeat.js'
import type { Declaring } from './comparisons.js'

/** `repeat`. */
export const declareRepeat = ({ program, run, withGlobals }: Declaring): void => {
  withGlobals(program.command('repeat'))
    .description('makes an output again from the recipe beside it, and compares byte by byte')
    .argument('<output>', 'a folder or file that compress or convert wrote')
    .option('--out <path>', 'where it goes; beside it, with -again in its name, where absent')
    .option('--overwrite', 'replaces an output that exists', false)
    .action((path: string, flags: RepeatFlags & Record<string, unknown>) =>
      run(async (terminal, signal) => (await import('../commands/repeat.js')).repeat(terminal, path, flags, signal), flags),
    )
}
