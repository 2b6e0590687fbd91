import { calibrateOption, dataOption } from '../command-options.js'
import type { BenchFlags } from '../commands/bench.js'
import { withTables, type Declaring } from './comparisons.js'

/** `bench`. */
export const declareBench = ({ program, run, withGlobals, collect, wholeNumber, model }: Declaring): void => {
  withTables(withGlobals(program.command('bench')))
    .description('compresses a model by a step of yours and by standard ones of its kind at the same bits, and compares them')
    .argument('<steps...>', 'your own, such as "./mine.ts:method()" or "tersor-package:method(bits=4)"; several are a pipeline')
    .option('--model <model>', `${model}; the bundled one in a clone of Tersor`)
    .addOption(dataOption(false))
    .addOption(calibrateOption().default([]))
    .option(
      '--against <call>',
      'a rival in the place of those of its kind, such as "hadamard() + rtn(bits=4)"; repeat it for more',
      collect,
      [],
    )
    .option('--tokens <n>', 'about as many tokens of a text, spread over it', wholeNumber, 8192)
    .option('--seed <n>', 'decides everything that is random', wholeNumber, 0)
    .action((steps: string[], flags: BenchFlags & Record<string, unknown>) =>
      run(async (terminal, signal) => (await import('../commands/bench.js')).bench(terminal, steps, flags, signal), flags),
    )
}
