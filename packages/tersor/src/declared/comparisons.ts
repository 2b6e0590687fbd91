import type { Command } from 'commander'
import { calibrateOption, dataOption } from '../command-options.js'
import type { CompareFlags } from '../commands/compare.js'
import type { SensitivityFlags } from '../commands/sensitivity.js'
import type { SweepFlags } from '../commands/sweep.js'
import type { Terminal } from '../output.js'

/** Runs what a command does, with its flags for all commands. */
type Run = (work: (terminal: Terminal, signal: AbortSignal) => Promise<void> | void, flags: Record<string, unknown>) => Promise<void>

/** What commands share in how they are declared. */
export interface Declaring {
  readonly program: Command
  readonly run: Run
  readonly withGlobals: (command: Command) => Command
  readonly collect: (value: string, list: readonly string[]) => readonly string[]
  readonly wholeNumber: (text: string) => number
  /** What may stand for a model. */
  readonly model: string
}

/** Where a table goes besides the screen. */
export const withTables = (command: Command): Command =>
  command
    .option('--csv <file>', 'writes the table with all digits, for spreadsheets')
    .option('--html <file>', 'writes a page with the table and a plot')

/** `compare`, `sensitivity` and `sweep`. */
export const declareComparisons = ({ program, run, withGlobals, collect, wholeNumber, model }: Declaring): void => {
  withTables(withGlobals(program.command('compare')))
    .description('size, quality, speed and the worst layer of models, each beside the first')
    .argument('<models...>', `the original, then what came of it; each ${model}`)
    .addOption(dataOption(false))
    .option('--tokens <n>', 'about as many tokens of a text, spread over it; all where absent', wholeNumber)
    .option('--timed <n>', 'tokens that are generated to time each model; 0 for none', wholeNumber, 32)
    .action((paths: string[], flags: CompareFlags & Record<string, unknown>) =>
      run(async (terminal, signal) => (await import('../commands/compare.js')).compare(terminal, paths, flags, signal), flags),
    )
  withTables(withGlobals(program.command('sensitivity')))
    .description('what each layer costs under each step, the others left as they were')
    .argument('<model>', model)
    .addOption(dataOption())
    .option('--step <call>', 'a step that is tried, such as "rtn(bits=4)"; repeat it for more', collect, [])
    .addOption(calibrateOption().default([]))
    .option('--tokens <n>', 'about as many tokens of a text, spread over it', wholeNumber, 4096)
    .option('--seed <n>', 'decides everything that is random', wholeNumber, 0)
    .action((path: string, flags: SensitivityFlags & Record<string, unknown>) =>
      run(async (terminal, signal) => (await import('../commands/sensitivity.js')).sensitivity(terminal, path, flags, signal), flags),
    )
  withTables(withGlobals(program.command('sweep')))
    .description('compresses with every choice of options that are given as lists, and says which are worth it')
    .argument('<model>', model)
    .addOption(dataOption())
    .option('--step <call>', 'a step whose options may be lists, such as "rtn(bits=[2,3,4])"; repeat it for more', collect, [])
    .addOption(calibrateOption().default([]))
    .option('--tokens <n>', 'about as many tokens of a text, spread over it', wholeNumber, 8192)
    .option('--format <format>', 'how results are stored while they are measured')
    .option('--type <type>', 'GGUF: what matrices become')
    .option('--seed <n>', 'decides everything that is random', wholeNumber, 0)
    .option(
      '--journal <file>',
      'where finished rows wait, so that the same command goes on after a stop; beside the working folder where absent',
    )
    .action((path: string, flags: SweepFlags & Record<string, unknown>) =>
      run(async (terminal, signal) => (await import('../commands/sweep.js')).sweep(terminal, path, flags, signal), flags),
    )
}
